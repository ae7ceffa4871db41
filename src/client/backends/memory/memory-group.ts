/** A consumer group in memory: committed positions, and who of its members reads which partition. */
import type { Place } from '../../position.ts';
import { type PositionMark, partitionKey } from '../../position-marks.ts';
import type { Wake } from '../../wake.ts';

/** A member is known by identity. */
export interface GroupMember {
  readonly topics: readonly string[];
}

export class MemoryGroup {
  readonly #committed = new Map<string, bigint>();
  readonly #members: GroupMember[] = [];
  readonly #changed: Wake;
  /** Counts changes of membership: a member that sees another one takes its new share. */
  generation = 0;

  constructor(changed: Wake) {
    this.#changed = changed;
  }

  join(member: GroupMember): void {
    this.#members.push(member);
    this.#rebalance();
  }

  leave(member: GroupMember): void {
    const index = this.#members.indexOf(member);
    if (index < 0) return;
    this.#members.splice(index, 1);
    this.#rebalance();
  }

  /** Partitions of one topic are dealt out in turn among the members that want it. */
  owns(member: GroupMember, { topic, partition }: Required<Place>): boolean {
    const wanting = this.#members.filter((other) => other.topics.includes(topic));
    return wanting[partition % Math.max(wanting.length, 1)] === member;
  }

  committed(place: Required<Place>): bigint | undefined {
    return this.#committed.get(partitionKey(place));
  }

  commit(marks: readonly PositionMark[]): void {
    for (const mark of marks) this.#committed.set(partitionKey(mark), mark.nextOffset);
  }

  #rebalance(): void {
    this.generation += 1;
    this.#changed.all();
  }
}
