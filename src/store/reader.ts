/**
 * Reads batches of a partition, wherever they stand. What the tail cache holds is answered at once, without a promise;
 * the rest is planned (which extents), read in a few large reads, and cut.
 *
 * ```
 *  offset ──► extents (files without index)  ──► tail cache ──► slices          (synchronous)
 *        └──► ranges ──► index file ──► rows ─┴─► spans ──► disk ──► slices     (promise)
 * ```
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { CheckedPieces } from './checked-pieces.ts';
import { CHUNK_HEADER_BYTES } from './chunk-file.ts';
import type { ColdChunks, ExpectedChunk } from './cold-chunks.ts';
import type { Course } from './course.ts';
import { type FileHandles, isMissingFile } from './file-handles.ts';
import { describeFile, type FileNumber, isChunk } from './file-number.ts';
import { IndexReader } from './index-reader.ts';
import type { Partition } from './partition.ts';
import { ReadAhead } from './read-ahead.ts';
import { COLD_RUN_BYTES, isSparse, type Piece, planRounds, planSpans, type Span } from './read-plan.ts';
import { cutBatches, type ReadResult } from './read-result.ts';
import { soundBytes } from './sound-batches.ts';
import type { TailCache } from './tail-cache.ts';

/**
 * Bytes that one read may take from the disk once it has something to answer with. Where pieces of 100 bytes lie 100 KB
 * apart, a megabyte of answer would cost a gigabyte of reading.
 */
const MAX_READ_BYTES = 16 * 1024 * 1024;
/** How often a read is planned where files vanish meanwhile. */
const MAX_PLANS = 3;
/** Chunks that a reader is said to come to. */
const MAX_EXPECTED = 8;
/** Extents that one read plans; more are the next read's. */
const MAX_PIECES = 4096;

export interface ReadPaths {
  journalFile(file: number): string;
  indexFile(file: number): string;
  chunkFile(chunk: number): string;
  /** Chunks that are not on the disk; absent: all are. */
  readonly cold?: ColdChunks | undefined;
  /** Writes the index of a journal file anew; told what was wrong with it. Absent: a damaged index is an error. */
  rebuildIndex?(file: number, fault: string): Promise<void>;
}

export interface ReadLimits {
  /** Exclusive: readers see nothing at or past it. */
  readonly endOffset: number;
  readonly maxBytes: number;
  /** The first batch is returned even where it alone exceeds `maxBytes`, so that a consumer always moves on. */
  readonly atLeastOne: boolean;
}

export interface ReaderOptions {
  readonly tail: TailCache;
  readonly handles: FileHandles;
  readonly pool: BufferPool;
  readonly paths: ReadPaths;
  /** Their batches need no check again. */
  readonly checked: CheckedPieces;
  readonly clock: Clock;
}

export class PartitionReader {
  readonly #tail: TailCache;
  readonly #handles: FileHandles;
  readonly #pool: BufferPool;
  readonly #paths: ReadPaths;
  readonly #checked: CheckedPieces;
  readonly #index: IndexReader;
  readonly #ahead: ReadAhead;
  readonly #views: Uint8Array[] = [];
  readonly #viewLeases: Lease[] = [];

  constructor(options: ReaderOptions) {
    this.#tail = options.tail;
    this.#handles = options.handles;
    this.#pool = options.pool;
    this.#paths = options.paths;
    this.#checked = options.checked;
    this.#index = new IndexReader(options.handles, options.paths);
    const source = {
      plan: async (partition: Partition, offset: number, endOffset: number, maxBytes: number) => {
        this.#expectOn(partition, offset);
        return this.#planSpans(await this.#planClosed(partition, offset, endOffset, maxBytes));
      },
      readSpan: (span: Span) => this.readSpan(span, false),
      isLocal: ({ file }: Span) => !this.#isCold(file),
      isSound: (span: Span, lease: Lease) => isSound(span, lease, options.checked),
    };
    this.#ahead = new ReadAhead(source, options.clock);
  }

  /**
   * Adds whole batches to `result`, the first one containing `offset`, which must lie between the partition's log start
   * (inclusive) and `limits.endOffset` (exclusive).
   *
   * @returns undefined when all came from memory and `result` is complete; else a promise that resolves when it is.
   * @throws (or rejects) STORE_CORRUPT, STORE_IO.
   */
  read(partition: Partition, offset: number, limits: ReadLimits, result: ReadResult): Promise<void> | undefined {
    const first = partition.extents?.find(offset) ?? -1;
    if (first >= 0 && this.#readTail(partition, first, offset, limits, result)) {
      this.#tail.hits += 1;
      return undefined;
    }
    this.#tail.misses += 1;
    return planAnew(() => this.#readPlanned(partition, offset, limits, result));
  }

  /** The extents that hold offsets from `offset` on, until they are `maxBytes` together; one at least. */
  async plan(partition: Partition, offset: number, endOffset: number, maxBytes: number): Promise<Piece[]> {
    const pieces: Piece[] = [];
    let planned = 0;
    let next = offset;
    // The index is read while the journal goes on: a file may get its index meanwhile, so every step looks anew.
    while (next < endOffset && planned < maxBytes && pieces.length < MAX_PIECES) {
      const at = partition.extents?.find(next) ?? -1;
      const more =
        at >= 0
          ? extentPieces(partition, at, endOffset, maxBytes - planned)
          : await this.#indexPieces(partition, next, endOffset, maxBytes - planned);
      if (more.length === 0) break;
      for (const piece of more) {
        pieces.push(piece);
        planned += piece.sizeBytes;
        next = piece.endOffset;
      }
    }
    return pieces;
  }

  /** Reads one span of a plan; the caller releases the lease. @param inParts nothing else is read meanwhile for the same reader. */
  async readSpan(span: Span, inParts = true): Promise<Lease> {
    const { file, sizeBytes, position } = span;
    const { cold } = this.#paths;
    if (cold !== undefined && this.#isCold(file)) return await this.#readCold(cold, span);
    const path = isChunk(file) ? this.#paths.chunkFile(-file) : this.#paths.journalFile(file);
    return await this.#handles.readLease(this.#pool, path, sizeBytes, position, inParts);
  }

  get index(): IndexReader {
    return this.#index;
  }

  /** Nothing is read ahead any more, and what was is given back. */
  close(): void {
    this.#ahead.close();
  }

  async #readCold(cold: ColdChunks, { file, sizeBytes, position, pieces }: Span): Promise<Lease> {
    const stretch = { chunk: -file, position, sizeBytes, holds: 'records' } as const;
    const { lease, isChecked } = await cold.lease(stretch, this.#pool);
    if (isChecked) for (const piece of pieces) this.#checked.add(piece);
    return lease;
  }

  #isCold(file: FileNumber): boolean {
    return isChunk(file) && this.#paths.cold?.sizeOf(-file) !== undefined;
  }

  #planSpans(pieces: readonly Piece[]): Span[] {
    const { cold } = this.#paths;
    if (cold === undefined) return planSpans(pieces);
    return planSpans(pieces, {
      runBytes: (file) => (this.#isCold(file) ? COLD_RUN_BYTES : undefined),
    });
  }

  #readTail(partition: Partition, first: number, offset: number, limits: ReadLimits, result: ReadResult): boolean {
    const extents = partition.extents;
    if (extents === undefined) return false;
    let budget = limits.maxBytes;
    for (let i = first; i < extents.count; i++) {
      const base = extents.baseOffset(i);
      if (base >= limits.endOffset || (i > first && budget <= 0)) break;
      const views = this.#views;
      const leases = this.#viewLeases;
      views.length = 0;
      leases.length = 0;
      if (!this.#tail.view(extents.file(i), extents.position(i), extents.sizeBytes(i), views, leases)) {
        // The window moves forward only, so whatever is not in memory comes first: nothing was added yet.
        return i > first;
      }
      const end = i + 1 < extents.count ? extents.baseOffset(i + 1) : partition.endOffset;
      const whole = base >= offset && end <= limits.endOffset && extents.sizeBytes(i) <= budget;
      const before = result.sizeBytes;
      let complete: boolean;
      try {
        complete = addViews(views, leases, whole ? undefined : { offset, budget, limits }, i === first, result);
      } finally {
        for (const lease of leases) lease.release();
      }
      budget -= result.sizeBytes - before;
      // Whatever did not fit ends the answer: a smaller extent behind it would leave a hole in the offsets.
      if (!complete) break;
    }
    return true;
  }

  async #readPlanned(partition: Partition, offset: number, limits: ReadLimits, result: ReadResult): Promise<void> {
    const course = this.#ahead.course(partition, offset, limits.endOffset);
    if (course !== undefined) {
      if (await this.#readCourse(course, offset, limits, result)) return;
      this.#ahead.drop(course);
    }
    const pieces = await this.plan(partition, offset, limits.endOffset, limits.maxBytes);
    const before = result.sizeBytes;
    let spent = 0;
    const spans = this.#planSpans(pieces);
    for (const round of planRounds(spans)) {
      const settled = await Promise.allSettled(round.map((span) => this.readSpan(span)));
      try {
        for (const [at, span] of round.entries()) {
          const read = settled[at] as PromiseSettledResult<Lease>;
          if (read.status === 'rejected') throw read.reason as Error;
          if (!addSpan(span, read.value, offset, limits, before, this.#checked, result)) {
            this.#mayGoOn(partition, offset, span);
            return;
          }
          spent += span.sizeBytes;
        }
      } catch (error) {
        // What stands before the damage is good: it is served, and the next read, which begins at the damage, reports it.
        if (result.sizeBytes > before) return;
        throw error;
      } finally {
        for (const read of settled) if (read.status === 'fulfilled') read.value.release();
      }
      if (spent >= MAX_READ_BYTES && result.sizeBytes > before) return;
    }
    const last = spans.at(-1);
    if (last !== undefined) this.#mayGoOn(partition, offset, last);
  }

  /** @returns false where nothing could be read so. */
  async #readCourse(course: Course, offset: number, limits: ReadLimits, result: ReadResult): Promise<boolean> {
    const before = result.sizeBytes;
    for (let from = offset; from < limits.endOffset && result.sizeBytes - before < MAX_READ_BYTES; ) {
      await course.arrival(from);
      const stretch = course.ready(from);
      // Compaction may have put fewer records into another file meanwhile.
      if (stretch === undefined || fileOf(course.partition, from) !== stretch.span.file)
        return result.sizeBytes > before;
      if (!addSpan(stretch.span, stretch.lease, offset, limits, before, this.#checked, result)) return true;
      from = stretch.endOffset;
      // What will not fit is not waited for.
      const left = limits.maxBytes - (result.sizeBytes - before);
      if (result.sizeBytes > before && (course.nextBytes(from) ?? 0) > left) return true;
    }
    return true;
  }

  /** What is in files that are still written to is not read ahead. */
  #mayGoOn(partition: Partition, offset: number, last: Span): void {
    const { endOffset } = last.pieces.at(-1) as Piece;
    if (isSparse(last) || (partition.extents?.find(endOffset - 1) ?? -1) >= 0) return;
    this.#ahead.ended(partition, offset, endOffset);
  }

  /** A reader in order comes to `offset`: where it goes on from there. */
  #expectOn({ ranges }: Partition, offset: number): void {
    const at = ranges?.find(offset) ?? 0;
    if (ranges === undefined || at >= ranges.count || !this.#isCold(ranges.file(at))) return;
    const chunk = -ranges.file(at);
    const following: ExpectedChunk[] = [];
    for (let i = at + 1; i < ranges.count && following.length < MAX_EXPECTED && isChunk(ranges.file(i)); i++) {
      const { file, firstRow, sizeBytes } = ranges.at(i);
      // Partitions that share a chunk stand one behind the other.
      following.push({ chunk: -file, frontBytes: firstRow === 0 ? CHUNK_HEADER_BYTES + sizeBytes : 0 });
    }
    this.#paths.cold?.expect(chunk, following);
  }

  async #planClosed(
    partition: Partition,
    offset: number,
    endOffset: number,
    maxBytes: number,
  ): Promise<readonly Piece[]> {
    if ((partition.extents?.find(offset) ?? -1) >= 0) return [];
    return await this.#indexPieces(partition, offset, endOffset, maxBytes);
  }

  async #indexPieces(partition: Partition, offset: number, endOffset: number, maxBytes: number): Promise<Piece[]> {
    const ranges = partition.ranges;
    const at = ranges?.find(offset) ?? 0;
    if (ranges === undefined || at >= ranges.count) return [];
    const range = ranges.at(at);
    return await this.#index.pieces(range, Math.max(offset, range.baseOffset), endOffset, maxBytes);
  }
}

function extentPieces(partition: Partition, first: number, endOffset: number, maxBytes: number): Piece[] {
  const pieces: Piece[] = [];
  const extents = partition.extents;
  let planned = 0;
  for (let i = first; i < (extents?.count ?? 0) && planned < maxBytes && pieces.length < MAX_PIECES; i++) {
    if (extents === undefined || extents.baseOffset(i) >= endOffset) break;
    pieces.push({
      file: extents.file(i),
      position: extents.position(i),
      sizeBytes: extents.sizeBytes(i),
      baseOffset: extents.baseOffset(i),
      endOffset: i + 1 < extents.count ? extents.baseOffset(i + 1) : partition.endOffset,
      maxTimestamp: extents.maxTimestamp(i),
    });
    planned += extents.sizeBytes(i);
  }
  return pieces;
}

/** Adds the views of one extent, cut where `cut` says so; false when not all of it up to its end was added. */
function addViews(
  views: readonly Uint8Array[],
  leases: readonly Lease[],
  cut: { offset: number; budget: number; limits: ReadLimits } | undefined,
  first: boolean,
  result: ReadResult,
): boolean {
  let added = 0;
  for (const [at, view] of views.entries()) {
    let bytes = view;
    if (cut !== undefined) {
      const one = first && added === 0 && cut.limits.atLeastOne;
      const part = cutBatches(view, cut.offset, cut.limits.endOffset, cut.budget - added, one);
      if (part === undefined)
        throw new MillraceError('STORE_CORRUPT', 'The tail cache holds bytes that are no batches.');
      bytes = part;
    }
    if (bytes.length > 0) result.add(bytes, leases[at] as Lease);
    added += bytes.length;
    if (bytes.byteOffset + bytes.length < view.byteOffset + view.length) return false;
  }
  return true;
}

/** Adds the pieces of one span; false when one did not fit, so that nothing behind it may be added. */
function addSpan(
  span: Span,
  lease: Lease,
  offset: number,
  limits: ReadLimits,
  sizeBefore: number,
  checked: CheckedPieces,
  result: ReadResult,
): boolean {
  // A slice by reference keeps the whole span in memory, with what lies between the pieces.
  const sparse = isSparse(span);
  for (const piece of span.pieces) {
    const first = result.sizeBytes === sizeBefore;
    const budget = limits.maxBytes - (result.sizeBytes - sizeBefore);
    if (!first && budget <= 0) return false;
    const bytes = bytesOf(piece, span, lease);
    const sound = checkedBytes(piece, bytes, checked);
    const cut = cutBatches(bytes.subarray(0, sound), offset, limits.endOffset, budget, first && limits.atLeastOne);
    if (cut === undefined) throw notBatches(span.file, piece, sound);
    if (cut.length > 0) result.add(cut, lease, sparse);
    // What stands before the damage was served, unless the reader asks for what is damaged, or for what comes behind it.
    if (sound < bytes.length) {
      if (result.sizeBytes === sizeBefore) throw notBatches(span.file, piece, sound);
      return false;
    }
    if (cut.byteOffset + cut.length < bytes.byteOffset + bytes.length) return false;
  }
  return true;
}

/**
 * Between planning and reading, a file may have been sealed and removed: the batches stand elsewhere by then, or the log start has left
 * them behind, and the plan is made anew.
 */
export async function planAnew<T>(planAndRead: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await planAndRead();
    } catch (error) {
      if (attempt === MAX_PLANS || !isMissingFile(error)) throw error;
    }
  }
}

/** Where a closed file has the batches at `offset`, or after it. */
function fileOf({ ranges }: Partition, offset: number): FileNumber | undefined {
  const at = ranges?.find(offset) ?? 0;
  return at < (ranges?.count ?? 0) ? ranges?.file(at) : undefined;
}

function bytesOf(piece: Piece, span: Span, lease: Lease): Uint8Array {
  const from = piece.position - span.position;
  return lease.bytes.subarray(from, from + piece.sizeBytes);
}

/** @returns how many bytes at the front are sound batches. */
function checkedBytes(piece: Piece, bytes: Uint8Array, checked: CheckedPieces): number {
  if (checked.has(piece)) return bytes.length;
  const sound = soundBytes(bytes, piece.baseOffset);
  if (sound === bytes.length) checked.add(piece);
  return sound;
}

function isSound(span: Span, lease: Lease, checked: CheckedPieces): boolean {
  return span.pieces.every((piece) => {
    const bytes = bytesOf(piece, span, lease);
    return checkedBytes(piece, bytes, checked) === bytes.length;
  });
}

/** @param sound bytes of the piece before the damage. */
export function notBatches(file: FileNumber, piece: Piece, sound: number): MillraceError {
  const position = piece.position + sound;
  return new MillraceError(
    'STORE_CORRUPT',
    `${describeFile(file)}, position ${position}: what should be batches, between offsets ${piece.baseOffset} and ` +
      `${piece.endOffset - 1} of a partition, is damaged. It is not served. Run 'millrace verify'.`,
    { details: { file, position, sizeBytes: piece.sizeBytes, baseOffset: piece.baseOffset } },
  );
}
