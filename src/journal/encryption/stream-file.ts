/**
 * An encrypted file that is appended to and read anywhere: journal files, and the cache of tiered chunks. AES-256 in counter
 * mode, the counter being the position, so that content keeps its positions and any part is read by itself. What it holds checks
 * itself: each commit and batch has its checksum under the encryption.
 */
import { createCipheriv, type KeyObject } from 'node:crypto';
import { lengthOf } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import type { DiskFile } from '../disk.ts';
import { encodeHead, type FileHead, HEAD_BYTES, HEAD_COPY_BYTES, MAX_SPANS, newSpan } from './file-head.ts';

const BLOCK_BYTES = 16;
/** Memory for results of this size is used again and again; larger ones come from the system each time, which costs more. */
const PART_BYTES = 64 * 1024;

/** What all handles of one file share: who cuts it gives the others its new key, too. */
export class StreamSpans {
  readonly #keyOf: (salt: Uint8Array) => KeyObject;
  readonly #keys: { readonly from: number; readonly key: KeyObject }[] = [];
  head: FileHead;
  /** Open handles. */
  users = 0;

  /** @param keyOf key of a span, by its salt. */
  constructor(head: FileHead, keyOf: (salt: Uint8Array) => KeyObject) {
    this.#keyOf = keyOf;
    this.head = head;
    for (const span of head.spans) this.#keys.push({ from: span.from, key: keyOf(span.salt) });
  }

  /** The head is on stable storage. */
  cut(head: FileHead): void {
    const span = head.spans.at(-1);
    this.head = head;
    if (span !== undefined) this.#keys.push({ from: span.from, key: this.#keyOf(span.salt) });
  }

  /** The part of the content from `from` to `to` (exclusive), cut where another span begins. */
  runs(from: number, to: number): { from: number; to: number; key: KeyObject }[] {
    const runs: { from: number; to: number; key: KeyObject }[] = [];
    for (let at = from; at < to; ) {
      // The last one that begins at or before; those after it in the list, which begin later, end the run.
      const index = this.#keys.findLastIndex((span) => span.from <= at);
      const end = this.#keys.slice(index + 1).reduce((least, span) => Math.min(least, span.from), to);
      runs.push({ from: at, to: end, key: (this.#keys[index] as { key: KeyObject }).key });
      at = end;
    }
    return runs;
  }
}

export class StreamFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #spans: StreamSpans;
  readonly #closed: () => void;

  /** @param closed told when this handle is. */
  constructor(file: DiskFile, path: string, spans: StreamSpans, closed: () => void) {
    this.#file = file;
    this.#path = path;
    this.#spans = spans;
    this.#closed = closed;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const count = await this.#file.read(into, HEAD_BYTES + position);
    const bytes = into.subarray(0, count);
    for (const { from, to, key } of this.#spans.runs(position, position + count)) {
      const run = bytes.subarray(from - position, to - position);
      let at = 0;
      for (const part of crypt([run], from, key)) {
        run.set(part, at);
        at += part.length;
      }
    }
    return count;
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    await this.#file.write(this.#encrypted(pieces, position), HEAD_BYTES + position);
  }

  writeSync(pieces: readonly Uint8Array[], position: number): void {
    this.#file.writeSync(this.#encrypted(pieces, position), HEAD_BYTES + position);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  /** What is cut off may have been seen: what is written there next gets another key. */
  async truncate(sizeBytes: number): Promise<void> {
    const { head } = this.#spans;
    const cuts = sizeBytes < (await this.size());
    if (cuts && head.spans.length === MAX_SPANS) throw tooManySpans(this.#path);
    await this.#file.truncate(HEAD_BYTES + sizeBytes);
    if (!cuts) return;
    const next = { ...head, spans: [...head.spans, newSpan(sizeBytes)] };
    await writeHead(this.#file, next);
    this.#spans.cut(next);
  }

  async size(): Promise<number> {
    return Math.max(0, (await this.#file.size()) - HEAD_BYTES);
  }

  async close(): Promise<void> {
    this.#closed();
    await this.#file.close();
  }

  #encrypted(pieces: readonly Uint8Array[], position: number): Uint8Array[] {
    const sizeBytes = lengthOf(pieces);
    const [run, ...others] = this.#spans.runs(position, position + sizeBytes);
    if (run === undefined) return [];
    if (others.length === 0) return [...crypt(pieces, position, run.key)];
    // A write over the begin of a span comes with recovery alone, which repeats what stands there.
    const bytes = Buffer.concat(pieces);
    return [run, ...others].flatMap(({ from, to, key }) => [
      ...crypt([bytes.subarray(from - position, to - position)], from, key),
    ]);
  }
}

/** Both copies, each durable before the other is touched. */
export async function writeHead(file: DiskFile, head: FileHead): Promise<void> {
  const copy = encodeHead(head);
  for (const at of [0, HEAD_COPY_BYTES]) {
    await file.write([copy], at);
    await file.sync();
  }
}

/** Encrypting and decrypting are the same. Parts come as they are asked for: the one before may be used up by then. */
function* crypt(
  pieces: readonly Uint8Array[],
  position: number,
  key: KeyObject,
): Generator<Uint8Array, void, undefined> {
  const iv = Buffer.alloc(BLOCK_BYTES);
  iv.writeBigUInt64BE(BigInt(Math.floor(position / BLOCK_BYTES)), 8);
  const cipher = createCipheriv('aes-256-ctr', key, iv);
  const skip = position % BLOCK_BYTES;
  if (skip > 0) cipher.update(new Uint8Array(skip));
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += PART_BYTES) yield cipher.update(piece.subarray(at, at + PART_BYTES));
  }
}

function tooManySpans(path: string): MillraceError {
  return new MillraceError(
    'STORE_IO',
    `${path} was cut ${MAX_SPANS} times, and cannot be cut again under its encryption.`,
    {
      details: { path },
    },
  );
}
