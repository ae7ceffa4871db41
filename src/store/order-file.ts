/**
 * The order of commits of a journal file that is gone: its batches stand in chunks, side by side by partition, and this
 * says in which order they were written. Written when the journal file is removed, with what was readable by then.
 *
 * Header, 64 bytes, big-endian; byte layout with an example: docs/formats.md, "Order file".
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d524f52` `MROR` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | file | number of the journal file |
 * | 16 | 8 | u64 | firstCommit | of the journal file |
 * | 24 | 8 | u64 | lastCommit | of the journal file |
 * | 32 | 4 | u32 | blockCount | blocks that follow |
 * | 36 | 24 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Block, 24 bytes, then the rows, deflated (RFC 1951):
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | storedBytes | deflated length |
 * | 4 | 4 | u32 | rowCount | 1 to 2,048 |
 * | 8 | 8 | u64 | firstCommit | commit of the first row |
 * | 16 | 4 | u32 | - | reserved, zero |
 * | 20 | 4 | u32 | checksum | CRC-32C of bytes 0 to 19, then of the deflated rows |
 *
 * Row, 28 bytes, in the order of commits and entries:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | commit | minus the block's firstCommit |
 * | 4 | 4 | u32 | entry | number of the entry in its commit |
 * | 8 | 4 | u32 | partition | |
 * | 12 | 4 | u32 | offsetCount | offsets covered |
 * | 16 | 8 | i64 | baseOffset | first offset |
 * | 24 | 4 | u32 | sizeBytes | of the batches in the journal |
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import type { CommitNumber } from '../journal/journal.ts';

const MAGIC = 0x4d524f52;
const VERSION = 1;
export const ORDER_HEADER_BYTES = 64;
export const ORDER_BLOCK_BYTES = 24;
const ROW_BYTES = 28;
const ROWS_PER_BLOCK = 2_048;
const MAX_STORED_BYTES = 2 * ROWS_PER_BLOCK * ROW_BYTES;

export interface OrderHeader {
  readonly file: number;
  readonly firstCommit: CommitNumber;
  readonly lastCommit: CommitNumber;
  readonly blockCount: number;
}

/** Batches of one partition in one commit. */
export interface OrderRow {
  readonly commit: CommitNumber;
  readonly entry: number;
  readonly partition: number;
  readonly baseOffset: number;
  readonly offsetCount: number;
  readonly sizeBytes: number;
}

export interface OrderBlock {
  readonly storedBytes: number;
  readonly rowCount: number;
  readonly firstCommit: CommitNumber;
}

/** Collects rows in order. Memory: the deflated blocks, and one block as it is. */
export class OrderBuilder {
  readonly #pieces: Uint8Array[] = [];
  #rows = new Uint8Array(ROWS_PER_BLOCK * ROW_BYTES);
  #rowCount = 0;
  #blockFirst: CommitNumber = 0;
  #blocks = 0;

  get isEmpty(): boolean {
    return this.#blocks === 0 && this.#rowCount === 0;
  }

  add({ commit, entry, partition, baseOffset, offsetCount, sizeBytes }: OrderRow): void {
    if (this.#rowCount === 0) this.#blockFirst = commit;
    const rows = this.#rows;
    const at = this.#rowCount * ROW_BYTES;
    writeUint32(rows, at, commit - this.#blockFirst);
    writeUint32(rows, at + 4, entry);
    writeUint32(rows, at + 8, partition);
    writeUint32(rows, at + 12, offsetCount);
    writeInt64(rows, at + 16, baseOffset);
    writeUint32(rows, at + 24, sizeBytes);
    this.#rowCount += 1;
    if (this.#rowCount === ROWS_PER_BLOCK) this.#finishBlock();
  }

  /** @returns the file's content, in pieces. */
  finish(file: number, firstCommit: CommitNumber, lastCommit: CommitNumber): Uint8Array[] {
    if (this.#rowCount > 0) this.#finishBlock();
    const header = new Uint8Array(ORDER_HEADER_BYTES);
    writeUint32(header, 0, MAGIC);
    header[4] = VERSION;
    writeInt64(header, 8, file);
    writeInt64(header, 16, firstCommit);
    writeInt64(header, 24, lastCommit);
    writeUint32(header, 32, this.#blocks);
    writeUint32(header, 60, crc32c(header.subarray(0, 60)));
    return [header, ...this.#pieces];
  }

  #finishBlock(): void {
    const stored = deflateRawSync(this.#rows.subarray(0, this.#rowCount * ROW_BYTES), { level: 1 });
    const head = new Uint8Array(ORDER_BLOCK_BYTES);
    writeUint32(head, 0, stored.length);
    writeUint32(head, 4, this.#rowCount);
    writeInt64(head, 8, this.#blockFirst);
    writeUint32(head, 20, crc32c(stored, crc32c(head.subarray(0, 20))));
    this.#pieces.push(head, stored);
    this.#rowCount = 0;
    this.#blocks += 1;
  }
}

/** @returns the header, or what is wrong with it. */
export function decodeOrderHeader(bytes: Uint8Array, file: number): OrderHeader | string {
  if (bytes.length < ORDER_HEADER_BYTES) return `${bytes.length} bytes are fewer than its header`;
  if (readUint32(bytes, 0) !== MAGIC || bytes[4] !== VERSION) return 'it does not begin as an order file of version 1';
  if (readUint32(bytes, 60) !== crc32c(bytes.subarray(0, 60))) return 'the checksum of its header is wrong';
  const header = {
    file: readInt64(bytes, 8),
    firstCommit: readInt64(bytes, 16),
    lastCommit: readInt64(bytes, 24),
    blockCount: readUint32(bytes, 32),
  };
  return header.file === file ? header : `it belongs to journal file ${header.file}`;
}

/** The 24 bytes before a block's rows. @returns what it says, or what is wrong: its checksum covers the rows, too. */
export function decodeOrderBlock(head: Uint8Array): OrderBlock | string {
  const block = {
    storedBytes: readUint32(head, 0),
    rowCount: readUint32(head, 4),
    firstCommit: readInt64(head, 8),
  };
  const isSound =
    block.storedBytes > 0 &&
    block.storedBytes <= MAX_STORED_BYTES &&
    block.rowCount > 0 &&
    block.rowCount <= ROWS_PER_BLOCK &&
    block.firstCommit > 0;
  return isSound ? block : 'the header of a block is damaged';
}

/** @returns the rows, or what is wrong with them. */
export function decodeOrderRows(head: Uint8Array, stored: Uint8Array): OrderRow[] | string {
  const block = decodeOrderBlock(head);
  if (typeof block === 'string') return block;
  if (readUint32(head, 20) !== crc32c(stored, crc32c(head.subarray(0, 20)))) return 'the checksum of a block is wrong';
  const bytes = inflated(stored);
  if (bytes?.length !== block.rowCount * ROW_BYTES) return 'a block has another number of rows than it says';
  const rows: OrderRow[] = [];
  for (let at = 0; at < bytes.length; at += ROW_BYTES) {
    rows.push({
      commit: block.firstCommit + readUint32(bytes, at),
      entry: readUint32(bytes, at + 4),
      partition: readUint32(bytes, at + 8),
      offsetCount: readUint32(bytes, at + 12),
      baseOffset: readInt64(bytes, at + 16),
      sizeBytes: readUint32(bytes, at + 24),
    });
  }
  return rows;
}

function inflated(stored: Uint8Array): Uint8Array | undefined {
  try {
    return inflateRawSync(stored, { maxOutputLength: ROWS_PER_BLOCK * ROW_BYTES });
  } catch {
    return undefined;
  }
}

/** The rows of a whole file, block by block; a text in place of what is damaged, and the end. */
export function* orderRows(bytes: Uint8Array, file: number): Generator<OrderRow[] | string, void, undefined> {
  const header = decodeOrderHeader(bytes, file);
  if (typeof header === 'string') {
    yield header;
    return;
  }
  let at = ORDER_HEADER_BYTES;
  for (let left = header.blockCount; left > 0; left--) {
    const head = bytes.subarray(at, at + ORDER_BLOCK_BYTES);
    const block = head.length < ORDER_BLOCK_BYTES ? 'it ends inside a block' : decodeOrderBlock(head);
    if (typeof block === 'string') {
      yield block;
      return;
    }
    const start = at + ORDER_BLOCK_BYTES;
    at = start + block.storedBytes;
    const rows = decodeOrderRows(head, bytes.subarray(start, at));
    yield rows;
    if (typeof rows === 'string') return;
  }
}
