/**
 * Who gets which partitions: the assignors that run in the broker (KIP-848). Pure and deterministic.
 *
 * | name | what it does |
 * |---|---|
 * | `uniform` | every partition to one subscribed member, counts as equal as subscriptions allow, and nobody loses more than that takes |
 * | `range` | each topic's partitions in consecutive ranges over its members in order of their names, so topics with equal counts line up |
 */
import { type PartitionSet, partitionSet } from './partition-set.ts';

/** What a member asks for and has. */
export interface Assignee {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Topic ids it is subscribed to. */
  readonly topics: ReadonlySet<string>;
  /** Its last target; kept as far as possible. */
  readonly current: PartitionSet;
}

/** Topic id to partition count. */
export type TopicCounts = ReadonlyMap<string, number>;

export type Assignor = (members: readonly Assignee[], topics: TopicCounts) => Map<string, PartitionSet>;

export const ASSIGNORS: Readonly<Record<string, Assignor>> = { uniform: assignUniform, range: assignRange };
/** Where no member names one. */
const DEFAULT_ASSIGNOR = 'uniform';

export function isAssignor(name: string): boolean {
  return Object.hasOwn(ASSIGNORS, name);
}

/** The name most members ask for; a tie goes to the one asked for first, and nobody asking to the default. */
export function electAssignor(wishes: Iterable<string | null>): string {
  const votes = new Map<string, number>();
  for (const name of wishes) if (name !== null) votes.set(name, (votes.get(name) ?? 0) + 1);
  let winner = DEFAULT_ASSIGNOR;
  let most = 0;
  for (const [name, count] of votes) {
    if (count <= most) continue;
    winner = name;
    most = count;
  }
  return winner;
}

interface Place {
  readonly topicId: string;
  readonly partition: number;
}

/** A member while partitions are dealt out. */
interface Hand {
  readonly member: Assignee;
  readonly places: Place[];
}

function assignUniform(members: readonly Assignee[], topics: TopicCounts): Map<string, PartitionSet> {
  const hands = members.map((member): Hand => ({ member, places: [] }));
  const takers = takersOf(hands, topics);
  const open = keepCurrent(hands, topics);
  deal(open, takers);
  level(hands, takers);
  return finish(hands);
}

/** Per topic the hands that are subscribed to it. */
function takersOf(hands: readonly Hand[], topics: TopicCounts): Map<string, Hand[]> {
  const takers = new Map<string, Hand[]>();
  for (const topicId of topics.keys()) takers.set(topicId, []);
  for (const hand of hands) for (const topicId of hand.member.topics) takers.get(topicId)?.push(hand);
  return takers;
}

/**
 * Hands keep what they had and may still have.
 *
 * @returns places that nobody has.
 */
function keepCurrent(hands: readonly Hand[], topics: TopicCounts): Place[] {
  const taken = new Map<string, Uint8Array>();
  for (const [topicId, count] of topics) taken.set(topicId, new Uint8Array(count));
  for (const hand of hands) {
    for (const [topicId, partitions] of hand.member.current) {
      const marks = taken.get(topicId);
      if (marks === undefined || !hand.member.topics.has(topicId)) continue;
      for (const partition of partitions) {
        // Beyond the count: the topic was made anew with fewer. Marked already: two targets, which only damage makes.
        if (marks[partition] !== 0) continue;
        marks[partition] = 1;
        hand.places.push({ topicId, partition });
      }
    }
  }
  const open: Place[] = [];
  for (const [topicId, marks] of taken) {
    marks.forEach((mark, partition) => {
      if (mark === 0) open.push({ topicId, partition });
    });
  }
  return open;
}

/** Each open place to the emptiest hand that may have it; places that few may have come first. */
function deal(open: readonly Place[], takers: ReadonlyMap<string, Hand[]>): void {
  const scarceFirst = open.toSorted((a, b) => takersFor(takers, a).length - takersFor(takers, b).length);
  const heaps = new Map<readonly Hand[], EmptiestFirst>();
  for (const place of scarceFirst) {
    const hands = takersFor(takers, place);
    let heap = heaps.get(hands);
    if (heap === undefined) {
      heap = new EmptiestFirst(hands);
      heaps.set(hands, heap);
    }
    heap.emptiest()?.places.push(place);
  }
}

function takersFor(takers: ReadonlyMap<string, Hand[]>, place: Place): readonly Hand[] {
  return takers.get(place.topicId) ?? [];
}

/**
 * Buckets of hands by how many places they hold. Hands only grow while dealing, also through other topics' dealing, so a
 * hand found in too low a bucket moves up when it is looked at.
 */
class EmptiestFirst {
  readonly #buckets: Hand[][] = [];
  #lowest = 0;

  constructor(hands: readonly Hand[]) {
    for (const hand of hands) this.#put(hand);
  }

  /** The hand is about to get one more. */
  emptiest(): Hand | undefined {
    for (; this.#lowest < this.#buckets.length; this.#lowest++) {
      const bucket = this.#buckets[this.#lowest] ?? [];
      for (let hand = bucket.shift(); hand !== undefined; hand = bucket.shift()) {
        const count = hand.places.length;
        if (count === this.#lowest) {
          this.#put(hand, count + 1);
          return hand;
        }
        this.#put(hand, count);
      }
    }
    return undefined;
  }

  #put(hand: Hand, count = hand.places.length): void {
    for (let i = this.#buckets.length; i <= count; i++) this.#buckets.push([]);
    this.#buckets[count]?.push(hand);
  }
}

/**
 * Moves places one by one from the fullest hand to the emptiest that may have them, until no move makes two counts more
 * equal. One by one, because a hand that gave more than its part would be given others' places in turn.
 */
function level(hands: readonly Hand[], takers: ReadonlyMap<string, Hand[]>): void {
  for (let moved = true; moved; ) {
    moved = false;
    // A hand that can give nothing now may be able to when others have given.
    const stuck = new Set<Hand>();
    for (let hand = giver(hands, stuck); hand !== undefined; hand = giver(hands, stuck)) {
      if (giveOne(hand, takers)) moved = true;
      else stuck.add(hand);
    }
  }
}

/** The fullest hand that is not stuck, if another one holds at least two less. */
function giver(hands: readonly Hand[], stuck: ReadonlySet<Hand>): Hand | undefined {
  let fullest: Hand | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const hand of hands) {
    least = Math.min(least, hand.places.length);
    if (!stuck.has(hand) && (fullest === undefined || hand.places.length > fullest.places.length)) fullest = hand;
  }
  return fullest !== undefined && fullest.places.length >= least + 2 ? fullest : undefined;
}

function giveOne(hand: Hand, takers: ReadonlyMap<string, Hand[]>): boolean {
  const emptiestByTopic = new Map<string, Hand | undefined>();
  // From the end: what it has held longest it keeps longest.
  for (let i = hand.places.length - 1; i >= 0; i--) {
    const place = hand.places[i] as Place;
    let to = emptiestByTopic.get(place.topicId);
    if (to === undefined) {
      to = emptiestOf(takersFor(takers, place));
      emptiestByTopic.set(place.topicId, to);
    }
    if (to === undefined || to.places.length + 2 > hand.places.length) continue;
    hand.places.splice(i, 1);
    to.places.push(place);
    return true;
  }
  return false;
}

function emptiestOf(hands: readonly Hand[]): Hand | undefined {
  let emptiest: Hand | undefined;
  for (const hand of hands) if (emptiest === undefined || hand.places.length < emptiest.places.length) emptiest = hand;
  return emptiest;
}

function finish(hands: readonly Hand[]): Map<string, PartitionSet> {
  return new Map(
    hands.map(({ member, places }) => [
      member.memberId,
      partitionSet(places.map(({ topicId, partition }) => ({ topicId, partitions: [partition] }))),
    ]),
  );
}

function assignRange(members: readonly Assignee[], topics: TopicCounts): Map<string, PartitionSet> {
  const result = new Map<string, { topicId: string; partitions: number[] }[]>();
  // Static members by their instance id: after a restart they are where they were.
  const inOrder = members.toSorted((a, b) => compare(a.instanceId ?? a.memberId, b.instanceId ?? b.memberId));
  for (const { memberId } of inOrder) result.set(memberId, []);
  for (const [topicId, count] of topics) {
    const subscribed = inOrder.filter((member) => member.topics.has(topicId));
    const share = Math.floor(count / subscribed.length);
    const larger = count % subscribed.length;
    let next = 0;
    subscribed.forEach(({ memberId }, i) => {
      const size = share + (i < larger ? 1 : 0);
      const start = next;
      result.get(memberId)?.push({ topicId, partitions: Array.from({ length: size }, (_, k) => start + k) });
      next += size;
    });
  }
  return new Map(Array.from(result, ([memberId, list]) => [memberId, partitionSet(list)]));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
