/**
 * Backups in an object store: `backup/<time>-<id>/` and below it parts of the stream, and, written last, its manifest. What has
 * no manifest was not finished.
 */
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { asMillraceError, MillraceError } from '../base/errors.ts';
import { BackupFrameWriter } from '../store/backup-frame.ts';
import { type BackupManifest, encodeManifest } from '../store/backup-manifest.ts';
import { BackupReader } from '../store/backup-reader.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { openStore } from '../tier/open-store.ts';

const FOLDER = 'backup/';
const NAME = /^backup\/(\d{13}-([0-9a-f]{16}))\/manifest$/;
const PART_BYTES = 16 * 1024 * 1024;
const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 250;

/** A place that is a URL is a store, also one that is written wrong, which is refused then; everything else is a file. */
export function isStoreUrl(place: string): boolean {
  return /^(?:(?:s3|dir):|[a-z][a-z0-9+.-]*:\/\/)/.test(place);
}

export class BackupStore {
  readonly #store: ObjectStore;

  /** @throws CONFIG_INVALID. */
  static open(url: string): BackupStore {
    return new BackupStore(openStore(url, systemClock, process.env));
  }

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get url(): string {
    return this.#store.url;
  }

  /** Names of those that are whole, the oldest first; each ends with its id. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.#store.list(FOLDER)) {
      const match = NAME.exec(key);
      if (match?.[1] !== undefined) names.push(match[1]);
    }
    return names.sort();
  }

  /** @throws BACKUP_CORRUPT; TIER_CORRUPT where it is gone; what the store refuses with. */
  async manifest(name: string): Promise<BackupManifest> {
    const key = `${FOLDER}${name}/manifest`;
    const { manifest, close } = await this.#manifestReader(key);
    await close();
    return manifest;
  }

  /** The stream, part after part. */
  async *bytes(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    for (let part = 1; ; part++) {
      const bytes = await repeated(() => this.#store.get(partKey(name, part)));
      if (bytes === undefined) return;
      yield bytes;
    }
  }

  async putPart(name: string, part: number, bytes: Uint8Array): Promise<void> {
    await repeated(() => this.#store.put(partKey(name, part), bytes));
  }

  /** From now on it counts as whole. */
  async finish(name: string, manifest: BackupManifest): Promise<void> {
    const writer = new BackupFrameWriter();
    const body = encodeManifest(manifest);
    const end = new TextEncoder().encode('{}');
    const frames = [writer.head('manifest', body), body, writer.head('end', end), end];
    await repeated(() => this.#store.put(`${FOLDER}${name}/manifest`, Buffer.concat(frames)));
  }

  async #manifestReader(key: string): Promise<{ manifest: BackupManifest; close: () => Promise<void> }> {
    const bytes = await repeated(() => this.#store.get(key));
    if (bytes === undefined) throw new MillraceError('TIER_CORRUPT', `${this.url} has no object '${key}' any more.`);
    async function* once(): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes as Uint8Array;
    }
    const reader = await BackupReader.open(once(), `${this.url}, object '${key}'`);
    return { manifest: reader.manifest, close: () => reader.close() };
  }
}

export function backupName({ createdAt, id }: BackupManifest): string {
  return `${String(createdAt).padStart(13, '0')}-${id}`;
}

/** Cuts the stream into parts. */
export class BackupPartWriter {
  readonly #store: BackupStore;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #part = 0;
  /** Known once the manifest has come by. */
  name = '';

  constructor(store: BackupStore) {
    this.#store = store;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= PART_BYTES && this.name !== '') await this.#put();
  }

  async finish(manifest: BackupManifest): Promise<void> {
    if (this.#bytes > 0) await this.#put();
    await this.#store.finish(this.name, manifest);
  }

  async #put(): Promise<void> {
    this.#part += 1;
    await this.#store.putPart(this.name, this.#part, Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#bytes = 0;
  }
}

function partKey(name: string, part: number): string {
  return `${FOLDER}${name}/${String(part).padStart(8, '0')}`;
}

/** The same object under the same name: a try whose answer was lost does no harm. */
async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === MAX_TRIES || asMillraceError(error).kind !== 'retry') throw error;
      await setTimeout(FIRST_PAUSE_MS * 4 ** (attempt - 1));
    }
  }
}
