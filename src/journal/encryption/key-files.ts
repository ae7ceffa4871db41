/**
 * Data keys in the data directory: `keys/0000000001.key`, JSON, each wrapped by a master key with AES-256-GCM. Layout:
 * docs/formats.md, "Key file".
 *
 * Rotation: a new master key in use makes a new data key for what is written from then on, and wraps the old data keys anew;
 * nothing else is written again, and once that is done the old master key opens nothing any more.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Disk } from '../disk.ts';
import { keyPath, keysDirectory, numberedFiles } from '../paths.ts';
import { readWhole, writeWhole } from '../whole-file.ts';
import { type DataKey, DataKeys, KEY_BYTES } from './data-keys.ts';
import type { MasterKey, MasterKeys } from './master-keys.ts';

const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a key file says without its master key. */
export type KeyFile = WrappedKey | ShreddedKey;

/** What is left of a key that was deleted, so that its number is never used again. */
export interface ShreddedKey {
  readonly state: 'shredded';
  readonly number: number;
  readonly prefix: string;
  /** Milliseconds since 1970. */
  readonly shreddedAt: number;
}

export interface WrappedKey {
  readonly state: 'wrapped';
  readonly number: number;
  readonly prefix: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Id of the master key that wraps it. */
  readonly master: string;
  readonly nonce: Uint8Array;
  /** The key, encrypted, and its tag. */
  readonly wrapped: Uint8Array;
}

/** By number. @throws STORE_CORRUPT naming the file. */
export async function listKeyFiles(disk: Disk, directory: string): Promise<KeyFile[]> {
  const files: KeyFile[] = [];
  for (const number of numberedFiles(await disk.list(keysDirectory(directory)), 'key')) {
    const path = keyPath(directory, number);
    files.push(parseKeyFile(await readWhole(disk, path), number, path));
  }
  return files;
}

/**
 * All data keys, for tools that only read.
 *
 * @throws STORE_KEY_MISSING naming the master key that is needed; STORE_CORRUPT.
 */
export async function loadDataKeys(disk: Disk, directory: string, masters: MasterKeys): Promise<DataKeys | undefined> {
  const files = (await listKeyFiles(disk, directory)).filter(isWrapped);
  return files.length === 0 ? undefined : new DataKeys(files.map((file) => unwrap(file, directory, masters)));
}

/**
 * All data keys, after those were made that are missing and those were wrapped anew that an older master key had wrapped. Under
 * the directory's lock.
 *
 * @param prefixes dotted prefixes of topics that have keys of their own.
 * @throws STORE_KEY_MISSING, STORE_CORRUPT, and what the disk refuses with.
 */
export async function openDataKeys(
  disk: Disk,
  directory: string,
  clock: Clock,
  masters: MasterKeys,
  prefixes: readonly string[],
): Promise<DataKeys> {
  await disk.makeDirectory(keysDirectory(directory));
  const [master] = masters;
  const all = await listKeyFiles(disk, directory);
  const files = all.filter(isWrapped);
  const keys = files.map((file) => unwrap(file, directory, masters));
  const fresh = new Set(files.filter((file) => file.master === master.id).map((file) => file.prefix));
  let next = Math.max(0, ...all.map((file) => file.number)) + 1;
  for (const prefix of new Set(['', ...prefixes])) {
    if (fresh.has(prefix)) continue;
    const key: DataKey = { number: next, prefix, key: new Uint8Array(randomBytes(KEY_BYTES)) };
    await store(disk, directory, wrap(key, master, clock.now()));
    keys.push(key);
    next += 1;
  }
  for (const [i, file] of files.entries()) {
    if (file.master === master.id) continue;
    await store(disk, directory, wrap(keys[i] as DataKey, master, file.createdAt));
  }
  await disk.syncDirectory(directory);
  return new DataKeys(keys);
}

/**
 * Deletes the keys of a prefix: what they encrypt can be read by nobody any more, whoever has which master key. Under the
 * directory's lock. Copies of the key files, in backups, are not reached.
 *
 * @param prefix canonical, as in the key files. @returns how many there were.
 */
export async function shredKeys(disk: Disk, directory: string, prefix: string, now: number): Promise<number> {
  const files = (await listKeyFiles(disk, directory)).filter((file) => isWrapped(file) && file.prefix === prefix);
  for (const { number } of files) {
    const path = keyPath(directory, number);
    // Over the key itself first: a file that is replaced leaves its bytes on the disk for a while.
    const file = await disk.open(path, 'readwrite');
    try {
      await file.write([new Uint8Array(await file.size())], 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await writeJson(disk, directory, number, { number, prefix, shreddedAt: now });
  }
  return files.length;
}

function isWrapped(file: KeyFile): file is WrappedKey {
  return file.state === 'wrapped';
}

/** @throws STORE_KEY_MISSING where the directory has data keys: opening it without them would take its data for damage. */
export async function refuseWithoutKeys(disk: Disk, directory: string): Promise<void> {
  const file = (await listKeyFiles(disk, directory)).find(isWrapped);
  if (file !== undefined) throw masterMissing(directory, file, 'none was given');
}

function unwrap(file: WrappedKey, directory: string, masters: MasterKeys): DataKey {
  const { number, prefix, nonce, wrapped } = file;
  const master = masters.find(({ id }) => id === file.master);
  if (master === undefined) {
    throw masterMissing(directory, file, `those that were given are ${masters.map(({ id }) => id).join(', ')}`);
  }
  const decipher = createDecipheriv('aes-256-gcm', master.key, nonce);
  decipher.setAAD(aad(number, prefix));
  decipher.setAuthTag(wrapped.subarray(KEY_BYTES));
  const key = decipher.update(wrapped.subarray(0, KEY_BYTES));
  try {
    decipher.final();
  } catch (error) {
    throw corrupt(
      keyPath(directory, number),
      `master key '${master.id}' does not open it: one of the two is another`,
      error,
    );
  }
  return { number, prefix, key: new Uint8Array(key) };
}

function wrap({ number, prefix, key }: DataKey, master: MasterKey, createdAt: number): WrappedKey {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', master.key, nonce);
  cipher.setAAD(aad(number, prefix));
  const sealed = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  return { state: 'wrapped', number, prefix, createdAt, master: master.id, nonce, wrapped: sealed };
}

async function store(disk: Disk, directory: string, file: WrappedKey): Promise<void> {
  const { number, prefix, createdAt, master, nonce, wrapped } = file;
  await writeJson(disk, directory, number, {
    number,
    prefix,
    createdAt,
    master,
    nonce: hex(nonce),
    wrapped: hex(wrapped),
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

async function writeJson(disk: Disk, directory: string, number: number, members: object): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, ...members });
  const path = keyPath(directory, number);
  await writeWhole(disk, keysDirectory(directory), path, [new TextEncoder().encode(`${text}\n`)]);
}

function parseKeyFile(bytes: Uint8Array, expected: number, path: string): KeyFile {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    throw corrupt(path, 'it is no JSON');
  }
  const { format, number, prefix, createdAt, master, nonce, wrapped, shreddedAt } = value;
  if (format !== FORMAT || number !== expected) throw corrupt(path, 'it is of another format, or another key');
  if (typeof prefix === 'string' && typeof shreddedAt === 'number') {
    return { state: 'shredded', number: expected, prefix, shreddedAt };
  }
  if (typeof prefix !== 'string' || typeof master !== 'string' || typeof createdAt !== 'number') {
    throw corrupt(path, 'members are missing');
  }
  return {
    state: 'wrapped',
    number: expected,
    prefix,
    createdAt,
    master,
    nonce: hexBytes(nonce, NONCE_BYTES, path),
    wrapped: hexBytes(wrapped, KEY_BYTES + TAG_BYTES, path),
  };
}

function hexBytes(value: unknown, count: number, path: string): Uint8Array {
  if (typeof value === 'string' && /^[0-9a-f]*$/.test(value) && value.length === count * 2) {
    return new Uint8Array(Buffer.from(value, 'hex'));
  }
  throw corrupt(path, `a member is not ${count} bytes in hexadecimal digits`);
}

/** A wrapped key cannot be passed off as another one. */
function aad(number: number, prefix: string): Uint8Array {
  return new TextEncoder().encode(`millrace data key ${number} ${prefix}`);
}

function masterMissing(directory: string, { number, master }: WrappedKey, given: string): MillraceError {
  return new MillraceError(
    'STORE_KEY_MISSING',
    `${keyPath(directory, number)} is wrapped by master key '${master}', and ${given}. Set encryption.key.source, or --key-source, to a source ` +
      'that has it; a line behind the first is enough.',
    { details: { directory, dataKey: number, masterKey: master } },
  );
}

function corrupt(path: string, fault: string, cause?: unknown): MillraceError {
  return new MillraceError('STORE_CORRUPT', `${path} is damaged: ${fault}.`, { details: { path }, cause });
}
