/**
 * A disk whose data files are encrypted, and look to everybody above as if they were not: same names, same positions, same
 * lengths. Files that were there before encryption are read, and appended to, as they are.
 *
 * Encrypted: journal files, indexes, order files, chunks, the cache of tiered chunks, checkpoints. Not: the lock and markers, which
 * hold nothing, names and lengths of files, and `keys/`, whose keys are wrapped.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { DiskOver } from '../disk-over.ts';
import { BlockFile, NewBlockFile } from './block-file.ts';
import { type DataKeys, deriveKey } from './data-keys.ts';
import { decodeHead, type FileHead, HEAD_BYTES, looksEncrypted, newHead } from './file-head.ts';
import { StreamFile, StreamSpans, writeHead } from './stream-file.ts';

const DATA_FILE = /^\d{10}\.(journal|index|order|checkpoint|chunk)(\.tmp)?$/;

export class EncryptedDisk extends DiskOver {
  readonly keys: DataKeys;
  readonly #prefix: string;
  readonly #under = new Map<string, EncryptedDisk>();
  /** Of streams that are open, by their paths. */
  readonly #streams = new Map<string, StreamSpans>();

  /** @param inner the files as they are. @param prefix new files get its key. */
  constructor(inner: Disk, keys: DataKeys, prefix = '') {
    super(inner);
    this.keys = keys;
    this.#prefix = prefix;
  }

  /** The same disk, whose new files get the key of a prefix; always the same object for one prefix. */
  under(prefix: string): EncryptedDisk {
    if (prefix === this.#prefix) return this;
    const disk = this.#under.get(prefix) ?? new EncryptedDisk(this.inner, this.keys, prefix);
    this.#under.set(prefix, disk);
    return disk;
  }

  /** Number of the data key of a file; undefined: it is not encrypted. @throws what the disk refuses with. */
  async dataKeyOf(path: string): Promise<number | undefined> {
    const file = await this.inner.open(path, 'read');
    try {
      const bytes = new Uint8Array(HEAD_BYTES);
      return decodeHead(bytes.subarray(0, await file.read(bytes, 0)))?.dataKey;
    } finally {
      await file.close();
    }
  }

  override async open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    const file = await this.inner.open(path, mode);
    if (!DATA_FILE.test(basename(path))) return file;
    try {
      return mode === 'create' ? await this.#create(path, file) : await this.#opened(path, file, mode);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** An old journal file that becomes the next one gets a new key before anything is written over it. */
  override async rename(from: string, to: string): Promise<void> {
    await super.rename(from, to);
    if (to.endsWith('.journal')) await this.#renew(to);
  }

  async #create(path: string, file: DiskFile): Promise<DiskFile> {
    const key = this.keys.active(this.#prefix);
    if (isStream(path)) {
      const head = newHead('stream', key.number);
      // Before anything that needs it: what cannot be decrypted must not look like an unfinished write.
      await writeHead(file, head);
      this.#streams.delete(path);
      return this.#stream(path, file, head);
    }
    const head = newHead('blocks', key.number);
    return new NewBlockFile(file, head, this.#keyOf(path, head));
  }

  async #renew(path: string): Promise<void> {
    const file = await this.inner.open(path, 'readwrite');
    try {
      const bytes = new Uint8Array(HEAD_BYTES);
      if (decodeHead(bytes.subarray(0, await file.read(bytes, 0))) === undefined) return;
      await writeHead(file, newHead('stream', this.keys.active(this.#prefix).number));
      this.#streams.delete(path);
    } finally {
      await file.close();
    }
  }

  async #opened(path: string, file: DiskFile, mode: 'readwrite' | 'read'): Promise<DiskFile> {
    const bytes = new Uint8Array(HEAD_BYTES);
    const count = await file.read(bytes, 0);
    const found = bytes.subarray(0, count);
    const head = decodeHead(found);
    if (head !== undefined) {
      return head.mode === 'stream'
        ? this.#stream(path, file, head)
        : new BlockFile(file, () => this.#keyOf(path, head));
    }
    // Made ahead of need by a crash or by a run without encryption, and never used.
    if (mode === 'readwrite' && isStream(path) && (count === 0 || isTornHead(found, await file.size()))) {
      await file.truncate(0);
      return await this.#create(path, file);
    }
    if (!looksEncrypted(found)) return file;
    if (isTornHead(found, await file.size())) return new EmptyFile(file);
    throw new MillraceError('STORE_CORRUPT', `${path} is encrypted, and both copies of its head are damaged.`, {
      details: { path, position: 0 },
    });
  }

  #stream(path: string, file: DiskFile, head: FileHead): StreamFile {
    const known = this.#streams.get(path);
    // Another file may have had the name, and still be open.
    const isSame = known !== undefined && isSameFile(known.head, head);
    const spans = isSame ? known : new StreamSpans(head, (salt) => this.#derived(path, head.dataKey, salt));
    this.#streams.set(path, spans);
    spans.users += 1;
    return new StreamFile(file, path, spans, () => {
      spans.users -= 1;
      if (spans.users === 0 && this.#streams.get(path) === spans) this.#streams.delete(path);
    });
  }

  #keyOf(path: string, { dataKey, spans }: FileHead): KeyObject {
    return this.#derived(path, dataKey, spans[0]?.salt ?? new Uint8Array(0));
  }

  #derived(path: string, dataKey: number, salt: Uint8Array): KeyObject {
    return createSecretKey(deriveKey(this.keys.byNumber(dataKey, path), salt, 'file'));
  }
}

/** Each file begins with a salt of its own. */
function isSameFile(a: FileHead, b: FileHead): boolean {
  return Buffer.from(a.spans[0]?.salt ?? []).equals(b.spans[0]?.salt ?? new Uint8Array(0));
}

/** A crash came while the head was made, and nothing else: content comes after a head that is durable. */
function isTornHead(found: Uint8Array, fileBytes: number): boolean {
  return looksEncrypted(found) && fileBytes <= HEAD_BYTES;
}

/** Others are written once. */
function isStream(path: string): boolean {
  return path.endsWith('.journal') || basename(dirname(path)) === 'cache';
}

/** Read-only: a file that never came to have content. */
class EmptyFile implements DiskFile {
  readonly #file: DiskFile;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  async read(): Promise<number> {
    return 0;
  }

  async size(): Promise<number> {
    return 0;
  }

  async write(): Promise<void> {
    throw new TypeError('the file is open for reading');
  }

  writeSync(): void {
    throw new TypeError('the file is open for reading');
  }

  async sync(): Promise<void> {}

  async truncate(): Promise<void> {
    throw new TypeError('the file is open for reading');
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
