/**
 * Frames of a backup: what `POST /v1/backup` sends and a backup file holds. Pure codec; no I/O.
 *
 * Big-endian. `frame ...`, each 32 bytes and its body. Byte layout: docs/formats.md, "Backup".
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d52424b` `MRBK` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 1 | u8 | kind | 1 manifest, 2 piece, 3 end, 4 failed |
 * | 6 | 2 | - | reserved | zero |
 * | 8 | 4 | u32 | file | piece: row in the manifest's list; else 0 |
 * | 12 | 8 | u64 | position | piece: where in the file; else 0 |
 * | 20 | 4 | u32 | bodyBytes | at most 1 MiB; a manifest at most 64 MiB |
 * | 24 | 4 | u32 | previousChecksum | `checksum` of the frame before, 0 in the first: the chain |
 * | 28 | 4 | u32 | checksum | CRC-32C of bytes 0 to 27, then of the body |
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import { readInt64, readUint16, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { MillraceError } from '../base/errors.ts';

const MAGIC = 0x4d52424b;
const VERSION = 1;
const BACKUP_FRAME_BYTES = 32;
/** Of a file in one frame. */
export const BACKUP_PIECE_BYTES = 1024 * 1024;
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/** In backups: never renumber. */
const BACKUP_FRAME = { manifest: 1, piece: 2, end: 3, failed: 4 } as const;
export type BackupFrameKind = keyof typeof BACKUP_FRAME;

export interface BackupFrame {
  readonly kind: BackupFrameKind;
  readonly file: number;
  readonly position: number;
  /** Borrowed: valid until the next frame is asked for. */
  readonly body: Uint8Array;
}

/** Makes frames, each chained to the one before. */
export class BackupFrameWriter {
  #checksum = 0;

  /** @returns the head, which goes in front of the body. */
  head(kind: BackupFrameKind, body: Uint8Array, file = 0, position = 0): Uint8Array {
    const head = new Uint8Array(BACKUP_FRAME_BYTES);
    writeUint32(head, 0, MAGIC);
    head[4] = VERSION;
    head[5] = BACKUP_FRAME[kind];
    writeUint32(head, 8, file);
    writeInt64(head, 12, position);
    writeUint32(head, 20, body.length);
    writeUint32(head, 24, this.#checksum);
    this.#checksum = crc32c(body, crc32c(head.subarray(0, 28)));
    writeUint32(head, 28, this.#checksum);
    return head;
  }
}

/** Cuts frames from bytes as they come, in whatever pieces, and checks each. Holds one frame at most. */
export class BackupFrameReader {
  readonly #bytes: AsyncIterator<Uint8Array>;
  readonly #name: string;
  #held: Uint8Array = new Uint8Array(0);
  /** Of `#held`, in the backup. */
  #heldAt = 0;
  /** Next byte to be given out, in `#held`. */
  #next = 0;
  #checksum = 0;

  /** @param name of the backup, for messages. */
  constructor(bytes: AsyncIterable<Uint8Array>, name: string) {
    this.#bytes = bytes[Symbol.asyncIterator]();
    this.#name = name;
  }

  /** Position of the next frame in the backup, bytes. */
  get position(): number {
    return this.#heldAt + this.#next;
  }

  /** @returns undefined at the end of the bytes. @throws BACKUP_CORRUPT naming the place. */
  async next(): Promise<BackupFrame | undefined> {
    const at = this.position;
    const head = await this.#take(BACKUP_FRAME_BYTES, at);
    if (head === undefined) return undefined;
    const kind = this.#kindOf(head, at);
    const bodyBytes = readUint32(head, 20);
    const checksum = readUint32(head, 28);
    const previous = readUint32(head, 24);
    const file = readUint32(head, 8);
    const position = readInt64(head, 12);
    const ofHead = crc32c(head.subarray(0, 28));
    const max = kind === 'manifest' ? MAX_MANIFEST_BYTES : BACKUP_PIECE_BYTES;
    if (bodyBytes > max) throw this.#corrupt(at, `a frame of ${bodyBytes} bytes, more than ${max}`);
    const body = bodyBytes === 0 ? new Uint8Array(0) : await this.#take(bodyBytes, at);
    if (body === undefined) throw this.#corrupt(at, 'it ends inside a frame', true);
    if (crc32c(body, ofHead) !== checksum) throw this.#corrupt(at, 'the checksum of a frame is wrong');
    if (previous !== this.#checksum) throw this.#corrupt(at, 'a frame does not follow the one before');
    this.#checksum = checksum;
    return { kind, file, position, body };
  }

  /** Gives up what the bytes come from. */
  async close(): Promise<void> {
    await this.#bytes.return?.();
  }

  #kindOf(head: Uint8Array, at: number): BackupFrameKind {
    if (readUint32(head, 0) !== MAGIC) {
      throw this.#corrupt(at, at === 0 ? 'it does not begin as a backup' : 'what stands there is no frame');
    }
    if (head[4] !== VERSION) throw this.#corrupt(at, `its version is ${head[4]}, known is ${VERSION}`);
    const kind = (Object.keys(BACKUP_FRAME) as BackupFrameKind[]).find((each) => BACKUP_FRAME[each] === head[5]);
    if (kind === undefined || readUint16(head, 6) !== 0) throw this.#corrupt(at, `a frame of kind ${head[5]}`);
    return kind;
  }

  /** So many bytes; undefined where there is not one more. */
  async #take(count: number, frameAt: number): Promise<Uint8Array | undefined> {
    if (this.#held.length - this.#next < count) {
      const pieces = [this.#held.subarray(this.#next)];
      let have = this.#held.length - this.#next;
      while (have < count) {
        const { value, done } = await this.#bytes.next();
        if (done === true) {
          if (have === 0 && frameAt === this.position) return undefined;
          throw this.#corrupt(frameAt, 'it ends inside a frame', true);
        }
        pieces.push(value);
        have += value.length;
      }
      this.#heldAt += this.#next;
      this.#held = joined(pieces, have);
      this.#next = 0;
    }
    const bytes = this.#held.subarray(this.#next, this.#next + count);
    this.#next += count;
    return bytes;
  }

  /** @param cut the bytes ended: what is there may be sound. */
  #corrupt(position: number, fault: string, cut = false): MillraceError {
    return new MillraceError('BACKUP_CORRUPT', `Backup ${this.#name}, position ${position}: ${fault}.`, {
      details: { backup: this.#name, position, cut },
    });
  }
}

function joined(pieces: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
