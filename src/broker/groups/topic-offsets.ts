/**
 * The offsets one group has committed in one topic: one flat array of numbers, sorted by partition, 32 to 48 bytes for each.
 * Objects in a map would take about 100, and a group that reads a topic of 1,000 partitions is nothing special. Typed
 * arrays would take 24, but cost 200 bytes each before they hold anything, and most groups read few partitions.
 */

/** What a client stores for one partition. */
export interface CommittedOffset {
  /** Next offset to read. */
  readonly offset: number;
  /** -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Wall clock, milliseconds. */
  readonly committedAt: number;
  /** Wall clock, milliseconds; -1: the group's retention rule decides. */
  readonly expiresAt: number;
}

/** Most commits carry neither metadata nor an expiry of their own. */
interface Extra {
  readonly metadata: string;
  readonly expiresAt: number;
}

/** Cells of one partition: partition, leader epoch, offset, commit time. */
const STRIDE = 4;
const LEADER_EPOCH = 1;
const OFFSET = 2;
const COMMITTED_AT = 3;

/** Eight for each number, and half as much again for the room arrays keep to grow. */
const BYTES_PER_PARTITION = STRIDE * 8 * 1.5;
/** This object, its array, and its entries in two maps: measured with 100,000 of them. */
const OVERHEAD_BYTES = 500;
const EXTRA_BYTES = 80;

export class TopicOffsets {
  readonly #cells: number[] = [];
  #extras: Map<number, Extra> | undefined;
  #extraBytes = 0;

  get count(): number {
    return this.#cells.length / STRIDE;
  }

  /** Approximate memory. */
  get sizeBytes(): number {
    return OVERHEAD_BYTES + this.count * BYTES_PER_PARTITION + this.#extraBytes;
  }

  has(partition: number): boolean {
    return this.#find(partition) >= 0;
  }

  get(partition: number): CommittedOffset | undefined {
    const place = this.#find(partition);
    return place < 0 ? undefined : this.#at(place);
  }

  set(partition: number, committed: CommittedOffset): void {
    const { leaderEpoch, offset, committedAt } = committed;
    const place = this.#find(partition);
    if (place < 0) {
      this.#cells.splice(~place, 0, partition, leaderEpoch, offset, committedAt);
    } else {
      this.#cells[place + LEADER_EPOCH] = leaderEpoch;
      this.#cells[place + OFFSET] = offset;
      this.#cells[place + COMMITTED_AT] = committedAt;
    }
    this.#setExtra(partition, committed);
  }

  delete(partition: number): boolean {
    const place = this.#find(partition);
    if (place < 0) return false;
    this.#cells.splice(place, STRIDE);
    this.#dropExtra(partition);
    return true;
  }

  /** In partition order. */
  *entries(): Generator<[partition: number, committed: CommittedOffset]> {
    for (let place = 0; place < this.#cells.length; place += STRIDE) {
      yield [this.#cells[place] as number, this.#at(place)];
    }
  }

  #at(place: number): CommittedOffset {
    const extra = this.#extras?.get(this.#cells[place] as number);
    return {
      offset: this.#cells[place + OFFSET] as number,
      leaderEpoch: this.#cells[place + LEADER_EPOCH] as number,
      committedAt: this.#cells[place + COMMITTED_AT] as number,
      metadata: extra?.metadata ?? '',
      expiresAt: extra?.expiresAt ?? -1,
    };
  }

  /** Place of the partition's first cell, or the complement of where it belongs. */
  #find(partition: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#cells[middle * STRIDE] as number;
      if (there === partition) return middle * STRIDE;
      if (there < partition) low = middle + 1;
      else high = middle;
    }
    return ~(low * STRIDE);
  }

  #setExtra(partition: number, { metadata, expiresAt }: CommittedOffset): void {
    this.#dropExtra(partition);
    if (metadata === '' && expiresAt === -1) return;
    this.#extras ??= new Map();
    this.#extras.set(partition, { metadata, expiresAt });
    this.#extraBytes += EXTRA_BYTES + metadata.length * 2;
  }

  #dropExtra(partition: number): void {
    const extra = this.#extras?.get(partition);
    if (extra === undefined) return;
    this.#extras?.delete(partition);
    this.#extraBytes -= EXTRA_BYTES + extra.metadata.length * 2;
  }
}
