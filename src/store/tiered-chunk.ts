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
 * | 4 | 1 | u8 | version | 1 in the clear, 2 encrypted |
 * | 5 | 1 | u8 | flags | bit 0: all batches of the chunk were checked when the object was made; others zero |
 * | 6 | 2 | - | reserved | zero |
 * | 8 | 8 | u64 | chunk | number of the chunk |
 * | 16 | 8 | u64 | rawBytes | length of the chunk file |
 * | 24 | 4 | u32 | blockCount | blocks: of 1 MiB of the file each, the last one of what is left |
 * | 28 | 4 | - | reserved | zero |
 * | 32 | 4 | u32 | dataKey | version 2: number of the data key that encrypts the blocks; else 0 |
 * | 36 | 24 | - | salt | version 2: of the object's key; else zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Version 2 is encrypted: each block, compressed or not, with AES-256-GCM under the object's key, the nonce being its number, its tag of
 * 16 bytes behind it. There is no other difference.
 *
 * Table, 12 bytes for each block:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | storedBytes | length of the block in the object |
 * | 4 | 4 | u32 | checksum | CRC-32C of the block as it is in the file; version 2: 0, the tag says it |
 * | 8 | 1 | u8 | codec | 0 as it is, 1 zstd |
 * | 9 | 3 | - | reserved | zero |
 *
 * Trailer: as the header, with magic `0x4d525445` `MRTE`, and at 28 u32 tableChecksum, CRC-32C of the table. The object's
 * length is known from elsewhere (the command that names it), so table and trailer are one read from its end.
 *
 * Objects of before have no flags, and readers of before do not look at them: their batches are checked by who reads them.
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { lengthOf, readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { BLOCK_CODEC, BlockPacker, unpackBlock } from '../journal/compression/block-packer.ts';
import { type DataKey, type DataKeys, deriveKey } from '../journal/encryption/data-keys.ts';

const HEADER_MAGIC = 0x4d525443;
const TRAILER_MAGIC = 0x4d525445;
const VERSION = { clear: 1, encrypted: 2 } as const;
const CHECKED_FLAG = 1;
const SALT_BYTES = 24;
const TAG_BYTES = 16;
const END_BYTES = 64;
const ENTRY_BYTES = 12;
/** On disk: never change. */
export const TIER_BLOCK_BYTES = 1024 * 1024;
/** Levels of zstd. `fast` takes half of the time or less, and gives objects up to an eighth larger. */
const LEVELS = { usual: 3, fast: 1 } as const;

export interface TierBlock {
  /** In the object. */
  readonly position: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly checksum: number;
  readonly codec: number;
  /** Number of the block. */
  readonly index: number;
  /** Undefined: it is in the clear. */
  readonly key: Uint8Array | undefined;
  /** All batches of the chunk were checked when the object was made. */
  readonly isChecked: boolean;
}

export function tierBlockCount(rawBytes: number): number {
  return Math.ceil(rawBytes / TIER_BLOCK_BYTES);
}

export interface TieredObject {
  /** Back to back. What is not compressed or encrypted lies in the memory of the chunk. */
  readonly pieces: readonly Uint8Array[];
  /** Table and trailer, the last of the pieces. */
  readonly tail: Uint8Array;
  /** Of all pieces. */
  readonly storedBytes: number;
}

export interface TierEncoding {
  /** Encrypts it; undefined: it stays in the clear. */
  readonly dataKey?: DataKey | undefined;
  /** Every batch of it is sound. */
  readonly isChecked?: boolean;
  readonly level?: keyof typeof LEVELS;
}

/** @param raw a whole chunk file. */
export function encodeTieredChunk(
  chunk: number,
  raw: Uint8Array,
  { dataKey, isChecked = false, level = 'usual' }: TierEncoding = {},
): TieredObject {
  const count = tierBlockCount(raw.length);
  const table = new Uint8Array(count * ENTRY_BYTES);
  const sealing = dataKey === undefined ? undefined : { number: dataKey.number, salt: randomBytes(SALT_BYTES) };
  const key = dataKey === undefined || sealing === undefined ? undefined : deriveKey(dataKey, sealing.salt, 'object');
  const end = { chunk, rawBytes: raw.length, sealing, isChecked };
  const pieces: Uint8Array[] = [encodeEnd(HEADER_MAGIC, { ...end, tableChecksum: 0 })];
  const packer = new BlockPacker(LEVELS[level]);
  for (let i = 0; i < count; i++) {
    const block = raw.subarray(i * TIER_BLOCK_BYTES, (i + 1) * TIER_BLOCK_BYTES);
    const { stored: packed, codec } = packer.pack(block);
    const stored = key === undefined ? packed : sealBlock(key, i, packed);
    writeUint32(table, i * ENTRY_BYTES, stored.length);
    // A checksum of content in the clear would say something about it.
    writeUint32(table, i * ENTRY_BYTES + 4, key === undefined ? crc32c(block) : 0);
    table[i * ENTRY_BYTES + 8] = codec;
    pieces.push(stored);
  }
  const tail = Buffer.concat([table, encodeEnd(TRAILER_MAGIC, { ...end, tableChecksum: crc32c(table) })]);
  pieces.push(tail);
  return { pieces, tail, storedBytes: lengthOf(pieces) };
}

/** Length of table and trailer. */
export function tierTailBytes(rawBytes: number): number {
  return tierBlockCount(rawBytes) * ENTRY_BYTES + END_BYTES;
}

/**
 * @param tail the last `tierTailBytes(rawBytes)` bytes of the object.
 * @param storedBytes length of the object.
 * @param keys undefined: there are none.
 * @returns the blocks, in order, or what is wrong.
 * @throws STORE_KEY_MISSING where the key was deleted.
 */
export function decodeTierTail(
  tail: Uint8Array,
  chunk: number,
  rawBytes: number,
  storedBytes: number,
  keys?: DataKeys,
): readonly TierBlock[] | string {
  const count = tierBlockCount(rawBytes);
  const table = tail.subarray(0, tail.length - END_BYTES);
  const fault = endFault(tail.subarray(table.length), chunk, rawBytes, count);
  if (fault !== undefined) return fault;
  if (readUint32(tail, table.length + 28) !== crc32c(table)) return 'the checksum of its table is wrong';
  const key = keyOf(tail.subarray(table.length), chunk, keys);
  if (typeof key === 'string') return key;
  const isChecked = ((tail[table.length + 5] as number) & CHECKED_FLAG) !== 0;
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
      index: i,
      key,
      isChecked,
    });
    position += storedBlockBytes;
  }
  return position + tail.length === storedBytes ? blocks : `its table asks for ${position + tail.length} bytes`;
}

/** @param stored the block as it stands in the object. @returns the bytes of the file, or what is wrong. */
export function openTierBlock(bytes: Uint8Array, block: TierBlock): Uint8Array | string {
  const stored = block.key === undefined ? bytes : unsealBlock(block.key, block.index, bytes);
  if (stored === undefined) return 'the tag of a block is wrong';
  if (block.codec !== BLOCK_CODEC.none && block.codec !== BLOCK_CODEC.zstd) return `a block has codec ${block.codec}`;
  const raw = block.codec === BLOCK_CODEC.none ? stored : unpackBlock(stored, block.rawBytes);
  if (typeof raw === 'string') return raw;
  if (raw.length !== block.rawBytes) return `a block has ${raw.length} bytes and not ${block.rawBytes}`;
  if (block.key !== undefined) return Uint8Array.from(raw);
  return crc32c(raw) === block.checksum ? raw : 'the checksum of a block is wrong';
}

interface End {
  readonly chunk: number;
  readonly rawBytes: number;
  readonly tableChecksum: number;
  readonly sealing: { readonly number: number; readonly salt: Uint8Array } | undefined;
  readonly isChecked: boolean;
}

function encodeEnd(magic: number, { chunk, rawBytes, tableChecksum, sealing, isChecked }: End): Uint8Array {
  const bytes = new Uint8Array(END_BYTES);
  writeUint32(bytes, 0, magic);
  bytes[4] = sealing === undefined ? VERSION.clear : VERSION.encrypted;
  bytes[5] = isChecked ? CHECKED_FLAG : 0;
  if (sealing !== undefined) {
    writeUint32(bytes, 32, sealing.number);
    bytes.set(sealing.salt, 36);
  }
  writeInt64(bytes, 8, chunk);
  writeInt64(bytes, 16, rawBytes);
  writeUint32(bytes, 24, tierBlockCount(rawBytes));
  writeUint32(bytes, 28, tableChecksum);
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
  return bytes;
}

function endFault(bytes: Uint8Array, chunk: number, rawBytes: number, count: number): string | undefined {
  const isKnown = bytes[4] === VERSION.clear || bytes[4] === VERSION.encrypted;
  if (readUint32(bytes, 0) !== TRAILER_MAGIC || !isKnown) return 'it does not end as a tiered chunk does';
  if (readUint32(bytes, 60) !== crc32c(bytes.subarray(0, 60))) return 'the checksum of its trailer is wrong';
  if (readInt64(bytes, 8) !== chunk) return `it is chunk ${readInt64(bytes, 8)}`;
  if (readInt64(bytes, 16) !== rawBytes) return `its chunk has ${readInt64(bytes, 16)} bytes and not ${rawBytes}`;
  return readUint32(bytes, 24) === count ? undefined : `it has ${readUint32(bytes, 24)} blocks and not ${count}`;
}

/** @returns the object's key; undefined where it is in the clear; or what is wrong. */
function keyOf(end: Uint8Array, chunk: number, keys: DataKeys | undefined): Uint8Array | undefined | string {
  if (end[4] === VERSION.clear) return undefined;
  const number = readUint32(end, 32);
  if (keys === undefined) return `it is encrypted with data key ${number}, and encryption.key.source is not set`;
  return deriveKey(keys.byNumber(number, `the object of chunk ${chunk}`), end.subarray(36, 36 + SALT_BYTES), 'object');
}

function sealBlock(key: Uint8Array, index: number, block: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(index));
  return Buffer.concat([cipher.update(block), cipher.final(), cipher.getAuthTag()]);
}

/** @returns undefined where the tag is wrong. */
function unsealBlock(key: Uint8Array, index: number, stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(index));
  decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES));
  const block = decipher.update(stored.subarray(0, stored.length - TAG_BYTES));
  try {
    decipher.final();
    return block;
  } catch {
    return undefined;
  }
}

function nonceOf(index: number): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(index, 8);
  return nonce;
}
