/**
 * The offsets one group has committed in one topic: parallel arrays sorted by partition, 24 bytes for each. Objects in
 * a map would take about 100, and a group that reads a topic of 1,000 partitions is nothing special.
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

const BYTES_PER_PARTITION = 24;
const OVERHEAD_BYTES = 240;
const EXTRA_BYTES = 80;

export class TopicOffsets {
  #count = 0;
  #partitions = new Int32Array(1);
  #leaderEpochs = new Int32Array(1);
  #offsets = new Float64Array(1);
  #committedAt = new Float64Array(1);
  #extras: Map<number, Extra> | undefined;
  #extraBytes = 0;

  get count(): number {
    return this.#count;
  }

  /** Approximate memory. */
  get sizeBytes(): number {
    return OVERHEAD_BYTES + this.#partitions.length * BYTES_PER_PARTITION + this.#extraBytes;
  }

  has(partition: number): boolean {
    return this.#find(partition) >= 0;
  }

  get(partition: number): CommittedOffset | undefined {
    const index = this.#find(partition);
    return index < 0 ? undefined : this.#at(index);
  }

  set(partition: number, committed: CommittedOffset): void {
    let index = this.#find(partition);
    if (index < 0) {
      index = ~index;
      this.#open(index);
      this.#partitions[index] = partition;
    }
    this.#leaderEpochs[index] = committed.leaderEpoch;
    this.#offsets[index] = committed.offset;
    this.#committedAt[index] = committed.committedAt;
    this.#setExtra(partition, committed);
  }

  delete(partition: number): boolean {
    const index = this.#find(partition);
    if (index < 0) return false;
    for (const array of [this.#partitions, this.#leaderEpochs, this.#offsets, this.#committedAt]) {
      array.copyWithin(index, index + 1, this.#count);
    }
    this.#count -= 1;
    this.#dropExtra(partition);
    return true;
  }

  /** In partition order. */
  *entries(): Generator<[partition: number, committed: CommittedOffset]> {
    for (let index = 0; index < this.#count; index++) yield [this.#partitions[index] as number, this.#at(index)];
  }

  #at(index: number): CommittedOffset {
    const extra = this.#extras?.get(this.#partitions[index] as number);
    return {
      offset: this.#offsets[index] as number,
      leaderEpoch: this.#leaderEpochs[index] as number,
      committedAt: this.#committedAt[index] as number,
      metadata: extra?.metadata ?? '',
      expiresAt: extra?.expiresAt ?? -1,
    };
  }

  /** Index of the partition, or the complement of where it belongs. */
  #find(partition: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#partitions[middle] as number;
      if (there === partition) return middle;
      if (there < partition) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  #open(index: number): void {
    if (this.#count === this.#partitions.length) this.#grow();
    for (const array of [this.#partitions, this.#leaderEpochs, this.#offsets, this.#committedAt]) {
      array.copyWithin(index + 1, index, this.#count);
    }
    this.#count += 1;
  }

  #grow(): void {
    const capacity = Math.ceil(this.#count * 1.5) + 1;
    const partitions = new Int32Array(capacity);
    partitions.set(this.#partitions);
    const leaderEpochs = new Int32Array(capacity);
    leaderEpochs.set(this.#leaderEpochs);
    const offsets = new Float64Array(capacity);
    offsets.set(this.#offsets);
    const committedAt = new Float64Array(capacity);
    committedAt.set(this.#committedAt);
    this.#partitions = partitions;
    this.#leaderEpochs = leaderEpochs;
    this.#offsets = offsets;
    this.#committedAt = committedAt;
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
