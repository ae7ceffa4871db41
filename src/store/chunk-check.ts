/**
 * Reads a whole chunk file and says what is in it and whether it is what was written: header, trailer, directory, rows, and
 * the checksum of every batch, which must follow each other without a gap.
 */
import type { Disk, DiskFile } from '../journal/disk.ts';
import { forEachBatch } from '../model/batch-cursor.ts';
import { lastOffset } from '../model/record-batch.ts';
import {
  CHUNK_ENTRY_BYTES,
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  type ChunkEntry,
  type ChunkFooter,
  chunkFooterFault,
  chunkHeaderFault,
  decodeChunkEntry,
  decodeChunkTrailer,
  footerBytesOf,
  rowsPosition,
} from './chunk-file.ts';
import { decodeRow, INDEX_ROW_BYTES, type IndexRow } from './index-file.ts';
import { soundBytes } from './sound-batches.ts';

/** Read at once. */
const READ_BYTES = 1024 * 1024;

export interface CheckedChunk {
  readonly kind: 'chunk';
  readonly chunk: number;
  readonly sizeBytes: number;
  readonly partitionCount: number;
  readonly rowCount: number;
}

export interface CheckedFrame {
  readonly kind: 'frame';
  readonly partition: number;
  readonly row: IndexRow;
  /** Exclusive. */
  readonly endOffset: number;
  readonly batchCount: number;
}

export interface ChunkPartition extends ChunkEntry {
  readonly kind: 'partition';
}

export interface ChunkProblem {
  readonly kind: 'problem';
  readonly position: number;
  readonly problem: string;
}

export type ChunkItem = CheckedChunk | ChunkPartition | CheckedFrame | ChunkProblem;

/** Of a chunk in memory, whose footer is sound: every batch is, and the frames are what the rows say. */
export function hasSoundBatches(raw: Uint8Array, footer: ChunkFooter): boolean {
  const rowsAt = rowsPosition(footer);
  for (let i = 0; i < footer.rowCount; i++) {
    const { position, sizeBytes, baseOffset } = decodeRow(raw, rowsAt + i * INDEX_ROW_BYTES);
    if (position + sizeBytes > footer.directoryPosition) return false;
    if (soundBytes(raw.subarray(position, position + sizeBytes), baseOffset) < sizeBytes) return false;
  }
  return true;
}

/** In order of the file: the chunk, then each partition with its frames. Does not stop at a problem where it can go on. */
export async function* checkChunk(disk: Disk, path: string, chunk: number): AsyncGenerator<ChunkItem, void, undefined> {
  const file = await disk.open(path, 'read');
  try {
    const sizeBytes = await file.size();
    const head = await readAt(file, 0, Math.min(sizeBytes, CHUNK_HEADER_BYTES));
    const headFault = chunkHeaderFault(head, chunk);
    if (headFault !== undefined) yield { kind: 'problem', position: 0, problem: headFault };
    const trailerAt = Math.max(0, sizeBytes - CHUNK_TRAILER_BYTES);
    const footer = decodeChunkTrailer(await readAt(file, trailerAt, sizeBytes - trailerAt), chunk, sizeBytes);
    if (typeof footer === 'string') {
      yield { kind: 'problem', position: trailerAt, problem: footer };
      return;
    }
    const bytes = await readAt(file, footer.directoryPosition, footerBytesOf(footer));
    const footerFault = chunkFooterFault(bytes, footer);
    if (footerFault !== undefined) {
      yield { kind: 'problem', position: footer.directoryPosition, problem: footerFault };
      return;
    }
    const { partitionCount, rowCount } = footer;
    yield { kind: 'chunk', chunk, sizeBytes, partitionCount, rowCount };
    yield* checkPartitions(file, bytes, footer, chunk);
  } finally {
    await file.close();
  }
}

async function* checkPartitions(
  file: DiskFile,
  bytes: Uint8Array,
  footer: ChunkFooter,
  chunk: number,
): AsyncGenerator<ChunkItem, void, undefined> {
  const rowsAt = footer.partitionCount * CHUNK_ENTRY_BYTES;
  const frames = new FrameReader(file);
  for (let i = 0; i < footer.partitionCount; i++) {
    const entry = decodeChunkEntry(bytes, i * CHUNK_ENTRY_BYTES, chunk);
    const { partition, range } = entry;
    yield { kind: 'partition', partition, range };
    for (let at = 0; at < range.rowCount; at++) {
      const row = decodeRow(bytes, rowsAt + (range.firstRow + at) * INDEX_ROW_BYTES);
      const isLast = at + 1 === range.rowCount;
      const endOffset = isLast
        ? range.endOffset
        : decodeRow(bytes, rowsAt + (range.firstRow + at + 1) * INDEX_ROW_BYTES).baseOffset;
      yield checkFrame(await frames.read(row), partition, row, endOffset);
    }
  }
}

function checkFrame(bytes: Uint8Array, partition: number, row: IndexRow, endOffset: number): ChunkItem {
  const sound = soundBytes(bytes, row.baseOffset);
  let batchCount = 0;
  let next = row.baseOffset;
  forEachBatch(bytes.subarray(0, sound), (position) => {
    batchCount += 1;
    next = lastOffset(bytes, position) + 1;
  });
  if (sound === row.sizeBytes && next === endOffset) {
    return { kind: 'frame', partition, row, endOffset, batchCount };
  }
  const found = sound < row.sizeBytes ? 'a batch is damaged' : `its batches end at offset ${next - 1}`;
  const problem = `partition ${partition}, offsets ${row.baseOffset} to ${endOffset - 1}: ${found}`;
  return { kind: 'problem', position: row.position + sound, problem };
}

/** Frames stand side by side, so large reads serve many. */
class FrameReader {
  readonly #file: DiskFile;
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Valid until the next call; shorter where the file ends before. */
  async read({ position, sizeBytes }: IndexRow): Promise<Uint8Array> {
    if (position < this.#position || position + sizeBytes > this.#position + this.#bytes.length) {
      this.#bytes = await readAt(this.#file, position, Math.max(READ_BYTES, sizeBytes));
      this.#position = position;
    }
    const from = position - this.#position;
    return this.#bytes.subarray(from, from + sizeBytes);
  }
}

async function readAt(file: DiskFile, position: number, sizeBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes);
  return bytes.subarray(0, await file.read(bytes, position));
}
