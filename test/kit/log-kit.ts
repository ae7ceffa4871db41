/**
 * Partitions over journal files in memory, without a journal: commits are laid out as the journal lays them out, shown to
 * the partitions and the tail cache, and written to a fake disk. For tests of the store alone.
 */
import type { Lease } from '../../src/base/buffer-pool.ts';
import type { DiskFile } from '../../src/journal/disk.ts';
import { BatchBuilder } from '../../src/model/batch-builder.ts';
import { baseOffset, lastOffset, lastOffsetDelta, maxTimestamp, stampBatch } from '../../src/model/record-batch.ts';
import { CheckedPieces } from '../../src/store/checked-pieces.ts';
import { FileHandles } from '../../src/store/file-handles.ts';
import { IndexBuilder } from '../../src/store/index-file.ts';
import { Partition, PartitionMemory } from '../../src/store/partition.ts';
import { Publisher } from '../../src/store/publisher.ts';
import { PartitionReader } from '../../src/store/reader.ts';
import { TailCache } from '../../src/store/tail-cache.ts';
import { FakeDisk } from './fake-disk.ts';
import { ManualClock } from './manual-clock.ts';
import { PoisoningPool } from './poisoning-pool.ts';

/** What a commit has before its bodies and behind them: readers must never see these bytes. */
const FRAME_BYTES = 64;

export interface TestRun {
  readonly partition: number;
  /** Bytes of the value of each batch's only record. */
  readonly batches: readonly number[];
}

export function testBatch(valueBytes: number, timestamp: number, records = 1): Uint8Array {
  const builder = new BatchBuilder();
  for (let i = 0; i < records; i++) {
    builder.add({ key: null, value: Buffer.alloc(valueBytes, 97 + (timestamp % 26)), timestamp, headers: [] });
  }
  return Uint8Array.from(builder.build());
}

export class TestLog {
  readonly pool = new PoisoningPool();
  readonly disk = new FakeDisk();
  readonly handles = new FileHandles(this.disk, 3);
  readonly tail: TailCache;
  readonly reader: PartitionReader;
  readonly partitions: Partition[];
  /** Every batch of each partition, as it must be read. */
  readonly model: Buffer[][];
  file = 1;
  readonly #timeOf: (offset: number) => number;
  readonly #publisher = new Publisher();
  #position = FRAME_BYTES;
  #commit = 0;
  #handle: DiskFile | undefined;
  /** Small commits share one buffer, as the journal's do. */
  #chunk: Lease | undefined;
  #chunkUsed = 0;
  readonly clock = new ManualClock();
  #index = new IndexBuilder(1);
  readonly #closed: { file: number; index: IndexBuilder }[] = [];

  /** @param timeOf timestamp of a batch by its first offset; milliseconds. */
  constructor(partitionCount: number, tailBytes: number, timeOf = (offset: number): number => 1000 + offset) {
    this.#timeOf = timeOf;
    this.tail = new TailCache(tailBytes);
    this.partitions = Array.from({ length: partitionCount }, (_, i) => new Partition(i, i, new PartitionMemory()));
    this.model = this.partitions.map(() => []);
    this.reader = new PartitionReader({
      tail: this.tail,
      handles: this.handles,
      pool: this.pool,
      checked: new CheckedPieces(this.clock),
      clock: this.clock,
      paths: {
        journalFile: (file) => `j/${file}.journal`,
        indexFile: (file) => `j/${file}.index`,
        chunkFile: (chunk) => `j/${chunk}.chunk`,
      },
    });
  }

  /** One commit; each run's batches lie back to back. */
  async commit(runs: readonly TestRun[]): Promise<void> {
    this.#handle ??= await this.disk.open(`j/${this.file}.journal`, 'create');
    const bodies = runs.map((run) => this.#stamp(run));
    const sizeBytes = bodies.reduce((sum, body) => sum + body.length, 0) + 2 * FRAME_BYTES;
    const { lease, start } = this.#room(sizeBytes);
    const bytes = lease.bytes.subarray(start, start + sizeBytes).fill(0xcc);
    this.#commit += 1;
    let at = FRAME_BYTES;
    for (const [i, body] of bodies.entries()) {
      bytes.set(body, at);
      this.#append(runs[i] as TestRun, body, this.#position + at);
      at += body.length;
    }
    this.#handle.writeSync([bytes], this.#position);
    this.tail.hold(this.file, this.#position, bytes, lease.retain());
    this.#position += sizeBytes;
    this.#publisher.publish(this.#commit);
  }

  /** The next commit goes to a new file. */
  roll(): void {
    this.#closed.push({ file: this.file, index: this.#index });
    this.file += 1;
    this.#index = new IndexBuilder(this.file);
    this.#handle = undefined;
    this.#position = FRAME_BYTES;
  }

  /** Writes the index of the oldest closed file and takes its ranges in, as the checkpointer does. */
  async indexOldest(): Promise<void> {
    const oldest = this.#closed.shift();
    if (oldest === undefined) return;
    const built = oldest.index.build();
    const handle = await this.disk.open(`j/${oldest.file}.index`, 'create');
    await handle.write([built.bytes], 0);
    for (const { partition, range } of built.ranges) this.partitions[partition]?.indexed(range);
  }

  /** Gives back what the log itself holds. */
  close(): void {
    this.reader.close();
    this.#chunk?.release();
    this.#chunk = undefined;
    this.tail.clear();
  }

  #stamp(run: TestRun): Uint8Array {
    const partition = this.partitions[run.partition] as Partition;
    let offset = partition.endOffset;
    for (const earlier of this.#staged(run.partition)) offset = earlier;
    const batches = run.batches.map((valueBytes, i) => {
      const batch = testBatch(valueBytes, this.#timeOf(offset), 1 + ((offset + i) % 3));
      stampBatch(batch, 0, offset, 0);
      offset += lastOffsetDelta(batch, 0) + 1;
      return Buffer.from(batch);
    });
    this.#ends.set(run.partition, offset);
    this.model[run.partition]?.push(...batches);
    return Buffer.concat(batches);
  }

  /** Ends of the partitions in the commit that is made: a partition may have several runs in it. */
  readonly #ends = new Map<number, number>();

  *#staged(partition: number): Iterable<number> {
    const end = this.#ends.get(partition);
    if (end !== undefined) yield end;
  }

  #append(run: TestRun, body: Uint8Array, position: number): void {
    const partition = this.partitions[run.partition] as Partition;
    const base = partition.endOffset;
    const headers: Uint8Array[] = [];
    let latest = -1;
    let end = base;
    for (let at = 0; at < body.length; ) {
      const size = new DataView(body.buffer, body.byteOffset).getInt32(at + 8) + 12;
      headers.push(body.subarray(at, at + 61));
      latest = Math.max(latest, maxTimestamp(body, at));
      end = lastOffset(body, at) + 1;
      if (at === 0 && baseOffset(body, at) !== base) throw new Error('the kit lost count of offsets');
      at += size;
    }
    partition.append(end - base, this.file, position, body.length, latest);
    this.#publisher.staged(this.#commit, partition, partition.endOffset, body.length);
    this.#index.add(
      {
        partition: run.partition,
        baseOffset: base,
        offsetCount: end - base,
        bytes: Buffer.concat(headers),
        file: this.file,
        position,
        commit: this.#commit,
        committedAt: 0,
      },
      body.length,
    );
  }

  #room(sizeBytes: number): { lease: Lease; start: number } {
    if (sizeBytes > 100_000) {
      const lease = this.pool.acquire(sizeBytes);
      // The cache retains for itself; the writer's hold ends with the write.
      queueMicrotask(() => lease.release());
      return { lease, start: 0 };
    }
    if (this.#chunk === undefined || this.#chunk.bytes.length - this.#chunkUsed < sizeBytes) {
      this.#chunk?.release();
      this.#chunk = this.pool.acquire(256 * 1024);
      this.#chunkUsed = 0;
    }
    const start = this.#chunkUsed;
    this.#chunkUsed += sizeBytes;
    return { lease: this.#chunk, start };
  }
}
