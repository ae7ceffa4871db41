/**
 * A chunk as it stands in an object store: the chunk file cut into blocks, each compressed with zstd where that pays, so that
 * a reader fetches the blocks it needs and checks each by itself.
 *
 * Big-endian. `header | blocks | table | trailer`. Byte layout: docs/formats.md, "Tiered chunk".
 *
 * Header, 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d525443` `MRTC` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | chunk | number of the chunk |
 * | 16 | 8 | u64 | rawBytes | length of the chunk file |
 * | 24 | 4 | u32 | blockCount | blocks: of 1 MiB of the file each, the last one of what is left |
 * | 28 | 32 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Table, 12 bytes for each block:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | storedBytes | length of the block in the object |
 * | 4 | 4 | u32 | checksum | CRC-32C of the block as it is in the file |
 * | 8 | 1 | u8 | codec | 0 as it is, 1 zstd |
 * | 9 | 3 | - | reserved | zero |
 *
 * Trailer: as the header, with magic `0x4d525445` `MRTE`, and at 28 u32 tableChecksum, CRC-32C of the table. The object's
 * length is known from elsewhere (the command that names it), so table and trailer are one read from its end.
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import zlib from 'node:zlib';
import { readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';

const HEADER_MAGIC = 0x4d525443;
const TRAILER_MAGIC = 0x4d525445;
const VERSION = 1;
const END_BYTES = 64;
const ENTRY_BYTES = 12;
/** On disk: never change. */
export const TIER_BLOCK_BYTES = 1024 * 1024;
const CODEC = { none: 0, zstd: 1 } as const;
/** A block that shrinks by less is kept as it is: reading it costs no time then. */
const WORTH = 0.9;
/** Where so many blocks in a row did not shrink, only each eighth is tried. */
const GIVE_UP_AFTER = 3;
const TRY_EVERY = 8;
const LEVEL = 3;

export interface TierBlock {
  /** In the object. */
  readonly position: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly checksum: number;
  readonly codec: number;
}

export function tierBlockCount(rawBytes: number): number {
  return Math.ceil(rawBytes / TIER_BLOCK_BYTES);
}

/** @param raw a whole chunk file. @returns the object. */
export function encodeTieredChunk(chunk: number, raw: Uint8Array): Uint8Array {
  const count = tierBlockCount(raw.length);
  const table = new Uint8Array(count * ENTRY_BYTES);
  const pieces: Uint8Array[] = [encodeEnd(HEADER_MAGIC, chunk, raw.length, 0)];
  let inVain = 0;
  for (let i = 0; i < count; i++) {
    const block = raw.subarray(i * TIER_BLOCK_BYTES, (i + 1) * TIER_BLOCK_BYTES);
    const tries = inVain < GIVE_UP_AFTER || i % TRY_EVERY === 0;
    const packed = tries
      ? zlib.zstdCompressSync(block, { params: { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL } })
      : block;
    const pays = packed.length < block.length * WORTH;
    inVain = pays ? 0 : inVain + 1;
    const stored = pays ? packed : block;
    writeUint32(table, i * ENTRY_BYTES, stored.length);
    writeUint32(table, i * ENTRY_BYTES + 4, crc32c(block));
    table[i * ENTRY_BYTES + 8] = pays ? CODEC.zstd : CODEC.none;
    pieces.push(stored);
  }
  return Buffer.concat([...pieces, table, encodeEnd(TRAILER_MAGIC, chunk, raw.length, crc32c(table))]);
}

/** Length of table and trailer. */
export function tierTailBytes(rawBytes: number): number {
  return tierBlockCount(rawBytes) * ENTRY_BYTES + END_BYTES;
}

/**
 * @param tail the last `tierTailBytes(rawBytes)` bytes of the object.
 * @param storedBytes length of the object.
 * @returns the blocks, in order, or what is wrong.
 */
export function decodeTierTail(
  tail: Uint8Array,
  chunk: number,
  rawBytes: number,
  storedBytes: number,
): readonly TierBlock[] | string {
  const count = tierBlockCount(rawBytes);
  const table = tail.subarray(0, tail.length - END_BYTES);
  const fault = endFault(tail.subarray(table.length), chunk, rawBytes, count);
  if (fault !== undefined) return fault;
  if (readUint32(tail, table.length + 28) !== crc32c(table)) return 'the checksum of its table is wrong';
  const blocks: TierBlock[] = [];
  let position = END_BYTES;
  for (let i = 0; i < count; i++) {
    const storedBlockBytes = readUint32(table, i * ENTRY_BYTES);
    blocks.push({
      position,
      storedBytes: storedBlockBytes,
      rawBytes: Math.min(TIER_BLOCK_BYTES, rawBytes - i * TIER_BLOCK_BYTES),
      checksum: readUint32(table, i * ENTRY_BYTES + 4),
      codec: table[i * ENTRY_BYTES + 8] as number,
    });
    position += storedBlockBytes;
  }
  return position + tail.length === storedBytes ? blocks : `its table asks for ${position + tail.length} bytes`;
}

/** @param stored the block as it stands in the object. @returns the bytes of the file, or what is wrong. */
export function openTierBlock(stored: Uint8Array, block: TierBlock): Uint8Array | string {
  let raw: Uint8Array;
  if (block.codec === CODEC.none) raw = stored;
  else if (block.codec === CODEC.zstd) {
    try {
      raw = zlib.zstdDecompressSync(stored, { maxOutputLength: block.rawBytes });
    } catch (error) {
      return `a block cannot be opened: ${String(error)}`;
    }
  } else return `a block has codec ${block.codec}`;
  if (raw.length !== block.rawBytes) return `a block has ${raw.length} bytes and not ${block.rawBytes}`;
  return crc32c(raw) === block.checksum ? raw : 'the checksum of a block is wrong';
}

function encodeEnd(magic: number, chunk: number, rawBytes: number, tableChecksum: number): Uint8Array {
  const bytes = new Uint8Array(END_BYTES);
  writeUint32(bytes, 0, magic);
  bytes[4] = VERSION;
  writeInt64(bytes, 8, chunk);
  writeInt64(bytes, 16, rawBytes);
  writeUint32(bytes, 24, tierBlockCount(rawBytes));
  writeUint32(bytes, 28, tableChecksum);
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
  return bytes;
}

function endFault(bytes: Uint8Array, chunk: number, rawBytes: number, count: number): string | undefined {
  if (readUint32(bytes, 0) !== TRAILER_MAGIC || bytes[4] !== VERSION) return 'it does not end as a tiered chunk does';
  if (readUint32(bytes, 60) !== crc32c(bytes.subarray(0, 60))) return 'the checksum of its trailer is wrong';
  if (readInt64(bytes, 8) !== chunk) return `it is chunk ${readInt64(bytes, 8)}`;
  if (readInt64(bytes, 16) !== rawBytes) return `its chunk has ${readInt64(bytes, 16)} bytes and not ${rawBytes}`;
  return readUint32(bytes, 24) === count ? undefined : `it has ${readUint32(bytes, 24)} blocks and not ${count}`;
}
