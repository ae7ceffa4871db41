/**
 * Objects as files below a directory: `dir:///mnt/archive`. For a second disk or a mounted share, and for tests. A file is
 * written under a temporary name, synced, and then renamed or, where it must not replace another, linked; both are atomic
 * on POSIX file systems. Keys become paths.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { makeDirectories } from '../journal/make-directories.ts';
import { MAX_PIECES, unwritten } from '../journal/node-disk.ts';
import { type ByteRange, type ObjectBody, type ObjectInfo, type ObjectStore, piecesOf } from '../store/object-store.ts';
import { tierError } from './tier-errors.ts';

const TEMPORARY = '.tmp-';
/** One that is older was left by a process that died: no body takes so long to write. */
const TEMPORARY_MS = 60 * 60 * 1000;
/** Written and synced at once: where the journal is on the same disk, its syncs wait behind what is written here. */
const STEP_BYTES = 4 * 1024 * 1024;
/** Before the umask: a share may have other readers. */
const DIRECTORY_MODE = 0o777;

/** File systems on disks and in memory of the machine itself, as Linux numbers them: ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs, overlayfs. */
const NEAR_FILE_SYSTEMS = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x01021994, 0x794c7630,
]);

export class DirectoryStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  readonly #clock: Clock;
  #isNear: boolean | undefined;
  /** First parts of keys whose directories were there: one that is gone was not removed by us, so the share is. */
  readonly #seen = new Set<string>();

  constructor(root: string, clock: Clock) {
    this.#root = root;
    this.#clock = clock;
    this.url = `dir://${root}`;
  }

  async put(key: string, body: ObjectBody, options: { ifAbsent?: boolean } = {}): Promise<'stored' | 'exists'> {
    const path = this.#path(key);
    const folder = dirname(path);
    const temporary = join(folder, `${TEMPORARY}${randomUUID()}`);
    return await this.#guarded(key, async () => {
      // Made anew it would be on the disk below the mount point, and hidden once the share is back.
      await this.#refuseGone(key);
      await makeDirectories(folder, DIRECTORY_MODE);
      this.#saw(key);
      try {
        await writeSynced(temporary, piecesOf(body));
        if (options.ifAbsent === true) await link(temporary, path);
        else await rename(temporary, path);
        await syncDirectory(folder).catch((error: unknown) => {
          throw tierError('TIER_OUTCOME_UNKNOWN', this.url, key, String(error), error);
        });
        return 'stored';
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'exists';
        throw error;
      } finally {
        await unlink(temporary).catch(() => undefined);
      }
    });
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#guarded(key, async () => {
      const file = await open(this.#path(key), 'r').catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      if (file === undefined) {
        await this.#refuseGone(key);
        return undefined;
      }
      this.#saw(key);
      try {
        const wanted = range ?? { position: 0, sizeBytes: (await file.stat()).size };
        const bytes = into?.subarray(0, wanted.sizeBytes) ?? new Uint8Array(wanted.sizeBytes);
        let count = 0;
        while (count < bytes.length) {
          const { bytesRead } = await file.read(bytes, count, bytes.length - count, wanted.position + count);
          if (bytesRead === 0) break;
          count += bytesRead;
        }
        if (count === bytes.length) return bytes;
        throw tierError('TIER_CORRUPT', this.url, key, `it ends at ${wanted.position + count}`);
      } finally {
        // Nobody waits for it: the bytes are there.
        file.close().catch(() => undefined);
      }
    });
  }

  async isNear(): Promise<boolean> {
    if (this.#isNear !== undefined) return this.#isNear;
    const found = await statfs(this.#root).catch(() => undefined);
    if (found === undefined) return false;
    this.#isNear = NEAR_FILE_SYSTEMS.has(found.type);
    return this.#isNear;
  }

  /** Also removes what puts left that were killed: this alone looks through all directories, now and then. */
  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    // Files come and go while the list is read: what is gone is left out.
    const entries = await readdir(this.#root, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw this.#translate(prefix, error);
    });
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const key = relative(this.#root, path).split(sep).join('/');
      if (!key.startsWith(prefix)) continue;
      const info = await stat(path).catch(() => undefined);
      if (info === undefined) continue;
      const ageMs = Math.max(0, this.#clock.now() - info.mtimeMs);
      if (!entry.name.startsWith(TEMPORARY)) yield { key, sizeBytes: info.size, ageMs };
      else if (ageMs >= TEMPORARY_MS) await unlink(path).catch(() => undefined);
    }
  }

  async delete(key: string): Promise<void> {
    await this.#guarded(key, async () => {
      await unlink(this.#path(key)).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    });
  }

  #saw(key: string): void {
    const top = topOf(key);
    if (top !== undefined) this.#seen.add(top);
  }

  /** @throws TIER_UNAVAILABLE. */
  async #refuseGone(key: string): Promise<void> {
    const top = topOf(key);
    if (top === undefined || !this.#seen.has(top)) return;
    const path = this.#path(top);
    await stat(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
      throw tierError(
        'TIER_UNAVAILABLE',
        this.url,
        key,
        `${path} was there and is gone: the share may not be mounted`,
        error,
      );
    });
  }

  #path(key: string): string {
    return join(this.#root, ...key.split('/'));
  }

  async #guarded<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#translate(key, error);
    }
  }

  #translate(key: string, error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
    const refused = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR';
    return tierError(refused ? 'TIER_REFUSED' : 'TIER_UNAVAILABLE', this.url, key, String(error), error);
  }
}

/** The first directory of a key; undefined where it has none. */
function topOf(key: string): string | undefined {
  const slash = key.indexOf('/');
  return slash < 0 ? undefined : key.slice(0, slash);
}

async function writeSynced(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'wx');
  try {
    for (let rest: readonly Uint8Array[] = pieces.filter(({ length }) => length > 0); rest.length > 0; ) {
      const { bytesWritten } = await file.writev(front(rest, STEP_BYTES));
      if (bytesWritten === 0) throw Object.assign(new Error(`write of ${path} took no bytes`), { code: 'EIO' });
      await file.datasync();
      rest = unwritten(rest, bytesWritten);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @returns the first `sizeBytes` of the pieces, or all there are. */
function front(pieces: readonly Uint8Array[], sizeBytes: number): Uint8Array[] {
  const taken: Uint8Array[] = [];
  let left = sizeBytes;
  for (const piece of pieces) {
    if (left === 0 || taken.length === MAX_PIECES) break;
    taken.push(piece.subarray(0, left));
    left -= (taken.at(-1) as Uint8Array).length;
  }
  return taken;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
