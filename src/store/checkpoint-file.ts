/**
 * Checkpoint: the broker's state folded up to the end of one closed journal file. A start loads the newest one and
 * replays the files after it.
 *
 * Big-endian. Header, 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d524350` `MRCP` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | file | last journal file that is folded in |
 * | 16 | 8 | u64 | commit | its last commit |
 * | 24 | 4 | u32 | commitChecksum | that commit's checksum: where the chain goes on |
 * | 28 | 4 | u32 | sectionCount | sections that follow |
 * | 32 | 28 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Then sections, back to back, to the end of the file. Bodies: each state part's `snapshot`.
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | id | `CHECKPOINT_SECTION` |
 * | 4 | 8 | u64 | sizeBytes | length of the body |
 * | 12 | 4 | u32 | checksum | CRC-32C of bytes 0 to 11, then of the body |
 * | 16 | .. | - | body | |
 *
 * To evolve: a section's body begins with what its part needs to tell versions apart; a new header is a new version byte.
 */
import { lengthOf, readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { MillraceError } from '../base/errors.ts';

const MAGIC = 0x4d524350;
const VERSION = 1;
const HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 16;

export interface Checkpoint {
  readonly file: number;
  readonly commit: number;
  readonly commitChecksum: number;
  readonly sections: ReadonlyMap<number, Uint8Array>;
}

export interface NewCheckpoint extends Omit<Checkpoint, 'sections'> {
  readonly sectionCount: number;
  /** Numbers and bodies, those in pieces: made as they are asked for, since together they are as much as the state. */
  readonly sections: Iterable<readonly [number, readonly Uint8Array[]]>;
}

/** Parts of the file, in order, each some pieces. */
export function* encodeCheckpoint(checkpoint: NewCheckpoint): Generator<readonly Uint8Array[], void, undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  writeUint32(header, 0, MAGIC);
  header[4] = VERSION;
  writeInt64(header, 8, checkpoint.file);
  writeInt64(header, 16, checkpoint.commit);
  writeUint32(header, 24, checkpoint.commitChecksum);
  writeUint32(header, 28, checkpoint.sectionCount);
  writeUint32(header, 60, crc32c(header.subarray(0, 60)));
  yield [header];
  for (const [id, body] of checkpoint.sections) {
    const sectionHeader = new Uint8Array(SECTION_HEADER_BYTES);
    writeUint32(sectionHeader, 0, id);
    const bodyBytes = lengthOf(body);
    writeInt64(sectionHeader, 4, bodyBytes);
    writeUint32(sectionHeader, 12, sectionChecksum(sectionHeader, body));
    yield [sectionHeader, ...body];
  }
}

/** @throws STORE_CORRUPT with the place and the fault. */
export function decodeCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  if (bytes.length < HEADER_BYTES) throw damaged(path, `${bytes.length} bytes are fewer than its header`);
  if (readUint32(bytes, 0) !== MAGIC) throw damaged(path, 'it does not begin as a checkpoint');
  if (readUint32(bytes, 60) !== crc32c(bytes.subarray(0, 60))) {
    throw damaged(path, 'the checksum of its header is wrong');
  }
  if (bytes[4] !== VERSION) throw unusable(path, `of format version ${bytes[4]}, which this program does not know`);
  const sections = new Map<number, Uint8Array>();
  let at = HEADER_BYTES;
  for (let left = readUint32(bytes, 28); left > 0; left--) {
    if (bytes.length - at < SECTION_HEADER_BYTES) throw damaged(path, `it ends at ${at}, inside a section header`);
    const id = readUint32(bytes, at);
    const sizeBytes = readInt64(bytes, at + 4);
    const start = at + SECTION_HEADER_BYTES;
    if (!(sizeBytes >= 0 && sizeBytes <= bytes.length - start)) {
      throw damaged(path, `section ${id} at ${at} is longer than the file`);
    }
    const body = bytes.subarray(start, start + sizeBytes);
    if (sectionChecksum(bytes.subarray(at, start), [body]) !== readUint32(bytes, at + 12)) {
      throw damaged(path, `the checksum of section ${id} at ${at} is wrong`);
    }
    if (sections.has(id)) throw damaged(path, `section ${id} stands in it twice`);
    sections.set(id, body);
    at = start + sizeBytes;
  }
  if (at !== bytes.length) throw damaged(path, `${bytes.length - at} bytes follow its last section`);
  return {
    file: readInt64(bytes, 8),
    commit: readInt64(bytes, 16),
    commitChecksum: readUint32(bytes, 24),
    sections,
  };
}

function sectionChecksum(header: Uint8Array, body: readonly Uint8Array[]): number {
  return body.reduce((checksum, piece) => crc32c(piece, checksum), crc32c(header.subarray(0, 12)));
}

function damaged(path: string, fault: string): MillraceError {
  return unusable(path, `damaged: ${fault}`);
}

function unusable(path: string, fault: string): MillraceError {
  return new MillraceError('STORE_CORRUPT', `Checkpoint ${path} is ${fault}.`, { details: { path, fault } });
}
