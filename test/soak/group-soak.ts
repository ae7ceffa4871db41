/**
 * A group under fire: members are killed, paused beyond their session, added and told to leave, at random, while records
 * are produced to every partition. Checked all along: no two members work on a partition in one generation (classic), or
 * at the same time (new protocol, where nobody but paused members may believe in an old epoch). After each change: the group
 * is settled in time. In the end: every record was processed, and nothing is left.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeBatch } from '../../src/model/batch-builder.ts';
import { produce } from '../../src/wire/index.ts';
import { GroupMember, type GroupProtocol } from '../kit/group-member.ts';
import { KafkaKit } from '../kit/kafka-kit.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

export interface GroupSoakOptions {
  readonly protocol: GroupProtocol;
  readonly ms: number;
  readonly members: number;
  readonly partitions: number;
  readonly sessionMs: number;
  /** How long the group may take to settle, once it can know of a change. The promise is one session. */
  readonly settleLimitMs: number;
  readonly seed: number;
}

export interface GroupSoakResult {
  readonly changes: number;
  readonly records: number;
  /** Processed more than once, which at-least-once allows. */
  readonly repeated: number;
  /** Milliseconds from the change to the settled group, without the session that a silent member is given. */
  readonly longestSettleMs: number;
  readonly heapGrowthBytes: number;
}

const TOPIC = 'fire';
const GROUP = 'soak';
const PRODUCE_EVERY_MS = 100;
const HEARTBEATS_A_SESSION = 10;

class GroupSoak {
  readonly #options: GroupSoakOptions;
  readonly #kit: KafkaKit;
  readonly #random: SeededRandom;
  readonly #topicId: string;
  readonly #live = new Set<GroupMember>();
  readonly #runs: Promise<void>[] = [];
  /** Classic: partition to member by generation, of the last few generations. */
  readonly #byGeneration = new Map<number, Map<number, string>>();
  readonly #processed: Uint8Array[];
  readonly #ends: number[];
  #repeated = 0;
  #names = 0;
  #stopProducing = false;
  #failure: unknown;

  constructor(options: GroupSoakOptions, kit: KafkaKit, topicId: string) {
    this.#options = options;
    this.#kit = kit;
    this.#topicId = topicId;
    this.#random = new SeededRandom(options.seed);
    this.#processed = Array.from({ length: options.partitions }, () => new Uint8Array(1024));
    this.#ends = Array.from({ length: options.partitions }, () => 0);
  }

  async run(say: (line: string) => void): Promise<GroupSoakResult> {
    const { ms, members, settleLimitMs } = this.#options;
    // What broke first is what is told: a failed check closes the connections of everything else.
    const producing = this.#produce().catch((error: unknown) => void (this.#failure = error));
    for (let i = 0; i < members; i++) this.#add();
    // Everybody at once, which is no change of a group that stands.
    await this.#settled(10 * settleLimitMs);
    const startHeap = heap();
    const endAt = performance.now() + ms;
    let changes = 0;
    let longestSettleMs = 0;
    while (performance.now() < endAt) {
      const [change, silenceMs] = this.#change();
      const settleMs = Math.max(0, (await this.#settled(settleLimitMs + silenceMs)) - silenceMs);
      longestSettleMs = Math.max(longestSettleMs, settleMs);
      changes += 1;
      say(`${change}: ${this.#live.size} members, settled in ${Math.round(settleMs)} ms`);
      await sleep(this.#random.below(300));
    }
    const heapGrowthBytes = heap() - startHeap;
    this.#stopProducing = true;
    await producing;
    if (this.#failure !== undefined) throw this.#failure;
    await this.#until(() => this.#ends.every((end, partition) => this.#countOf(partition) === end), 10 * settleLimitMs);
    const records = this.#ends.reduce((sum, end) => sum + end, 0);
    await this.#end();
    return { changes, records, repeated: this.#repeated, longestSettleMs, heapGrowthBytes };
  }

  /** @returns what happened, and how long the group may not notice. */
  #change(): [string, number] {
    const { members, sessionMs } = this.#options;
    const target = this.#random.pick([...this.#live]);
    const isSmall = this.#live.size <= Math.ceil(members / 2);
    const isLarge = this.#live.size >= members + 4;
    const kind = isSmall
      ? 'add'
      : isLarge
        ? 'kill'
        : this.#random.pick(['add', 'add', 'kill', 'leave', 'pause', 'nap']);
    switch (kind) {
      case 'add':
        this.#add();
        return ['added', 0];
      case 'kill':
        target.kill();
        this.#live.delete(target);
        return ['killed', sessionMs];
      case 'leave':
        target.leave();
        this.#live.delete(target);
        return ['left', sessionMs / HEARTBEATS_A_SESSION];
      case 'pause':
        // Beyond its session: it is out, and comes back as a new member.
        target.pause(sessionMs * 1.3);
        return ['paused', sessionMs * 1.3];
      default:
        target.pause(sessionMs * 0.5);
        return ['napped', sessionMs * 0.5];
    }
  }

  #add(): void {
    const { protocol, partitions, sessionMs } = this.#options;
    const member: GroupMember = new GroupMember({
      port: this.#kit.listener.address.port,
      group: GROUP,
      name: `member-${++this.#names}`,
      protocol,
      topic: TOPIC,
      topicId: this.#topicId,
      partitionCount: partitions,
      sessionMs,
      heartbeatMs: sessionMs / HEARTBEATS_A_SESSION,
      reads: true,
      owns: (epoch, owned) => this.#owns(member, epoch, owned),
      processed: (partition, from, to) => this.#process(partition, from, to),
    });
    this.#live.add(member);
    this.#runs.push(member.run());
  }

  #owns(member: GroupMember, epoch: number, owned: ReadonlySet<number>): void {
    if (this.#options.protocol === 'classic') {
      const generation = this.#byGeneration.get(epoch) ?? new Map<number, string>();
      this.#byGeneration.set(epoch, generation);
      this.#byGeneration.delete(epoch - 10);
      for (const partition of owned) {
        const other = generation.get(partition);
        assert.ok(
          other === undefined || other === member.memberId,
          `generation ${epoch}: partition ${partition} has ${other} and ${member.memberId}`,
        );
        generation.set(partition, member.memberId);
      }
      return;
    }
    for (const other of this.#live) {
      // Who is paused has lost its session and works on nothing before it has asked.
      if (other === member || other.isPaused) continue;
      for (const partition of owned) {
        assert.ok(!other.owned.has(partition), `${partition} has ${other.memberId} and ${member.memberId} at once`);
      }
    }
  }

  #process(partition: number, from: number, to: number): void {
    let marks = this.#processed[partition] as Uint8Array;
    if (to > marks.length) {
      const larger = new Uint8Array(2 * to);
      larger.set(marks);
      this.#processed[partition] = larger;
      marks = larger;
    }
    for (let offset = from; offset < to; offset++) {
      if (marks[offset] === 1) this.#repeated += 1;
      marks[offset] = 1;
    }
  }

  #countOf(partition: number): number {
    let count = 0;
    for (const mark of this.#processed[partition] ?? []) count += mark;
    return count;
  }

  async #produce(): Promise<void> {
    const client = await this.#kit.client();
    while (!this.#stopProducing) {
      const records = encodeBatch([{ value: 'under fire', timestamp: Date.now() }]);
      const partitionData = this.#ends.map((_, index) => ({ index, records }));
      const { responses } = await client.call(produce, 9, {
        acks: -1,
        timeoutMs: 10_000,
        topicData: [{ name: TOPIC, partitionData }],
      });
      for (const { index, errorCode, baseOffset } of responses[0]?.partitionResponses ?? []) {
        assert.equal(errorCode, 0);
        this.#ends[index] = baseOffset + 1;
      }
      await sleep(PRODUCE_EVERY_MS);
    }
    client.destroy();
  }

  /** @returns how long it took that exactly the live members have all partitions. */
  async #settled(limitMs: number): Promise<number> {
    const startedAt = performance.now();
    await this.#until(() => this.#isSettled(), limitMs);
    return performance.now() - startedAt;
  }

  #isSettled(): boolean {
    const { protocol, partitions } = this.#options;
    const { groups } = this.#kit.broker;
    const group = protocol === 'classic' ? groups.describe(GROUP) : groups.describeConsumer(GROUP);
    if (group?.phase !== 'stable' || group.members.length !== this.#live.size) return false;
    const owned = [...this.#live].flatMap((member) => [...member.owned]);
    return (
      owned.length === partitions && new Set(owned).size === partitions && ![...this.#live].some((m) => m.isPaused)
    );
  }

  async #until(condition: () => boolean, limitMs: number): Promise<void> {
    const endAt = performance.now() + limitMs;
    while (!condition()) {
      const surprises = [...this.#live].flatMap((member) => member.surprises);
      assert.deepEqual(surprises, []);
      if (performance.now() < endAt) await sleep(10);
      else assert.fail(`not within ${Math.round(limitMs)} ms: ${JSON.stringify(this.#state())}`);
    }
  }

  #state() {
    const { groups } = this.#kit.broker;
    const group = groups.describe(GROUP) ?? groups.describeConsumer(GROUP);
    const owned = [...this.#live].map((member) => `${member.memberId}@${member.epoch}:${member.owned.size}`);
    const told = groups
      .describeConsumer(GROUP)
      ?.members.map(({ memberId, epoch, assigned }) => `${memberId}@${epoch}:${assigned[0]?.partitions.length ?? 0}`);
    const staged = this.#kit.broker.journal.status();
    const missing = this.#ends.filter((end, partition) => this.#countOf(partition) !== end).length;
    return { phase: group?.phase, members: group?.members.length, live: this.#live.size, owned, told, missing, staged };
  }

  /** Everybody leaves; then nothing may be left of the group but its offsets. */
  async #end(): Promise<void> {
    for (const member of this.#live) member.leave();
    await Promise.all(this.#runs);
    this.#live.clear();
    const { groups } = this.#kit.broker;
    const phase = () => (groups.describe(GROUP) ?? groups.describeConsumer(GROUP))?.phase;
    await this.#until(() => phase() === 'empty', 10 * this.#options.settleLimitMs);
    assert.equal(await groups.delete(GROUP), undefined);
    assert.deepEqual(groups.list(), []);
  }
}

/** @param say gets a line for each change. */
export async function runGroupSoak(
  options: GroupSoakOptions,
  say: (line: string) => void = () => undefined,
): Promise<GroupSoakResult> {
  const { sessionMs, partitions } = options;
  await using kit = await KafkaKit.start({
    broker: {
      groupMinSessionTimeoutMs: 100,
      groupInitialRebalanceDelayMs: 50,
      consumerSessionTimeoutMs: sessionMs,
      consumerHeartbeatIntervalMs: Math.max(10, sessionMs / HEARTBEATS_A_SESSION),
    },
  });
  const topic = await kit.broker.topics.create({ name: TOPIC, partitions });
  return await new GroupSoak(options, kit, topic.id).run(say);
}

function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
