/**
 * Backups of a running broker: a checkpoint and the files it stands on, read while writers go on.
 *
 * ```
 *  hold files ──► roll the journal: file N is closed ──► checkpoint of N or later ──► list what it needs ──► read, frame by frame
 *      └────────────────────────────── let go: at the end, or when the reader is gone ◄──────────────────────────────┘
 * ```
 * Consistent by construction: everything that was acknowledged before the backup began is in file N or before, and the
 * checkpoint is the state at the end of its file. Nothing that a closed file says changes afterwards.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import { blockFileBytes } from '../../journal/encryption/block-file.ts';
import type { DataKeys } from '../../journal/encryption/data-keys.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
import {
  checkpointDirectory,
  checkpointPath,
  chunkDirectory,
  chunkPath,
  journalDirectory,
  journalPath,
  keyPath,
  keysDirectory,
  numberedFiles,
  orderPath,
} from '../../journal/paths.ts';
import { fileSize } from '../../journal/whole-file.ts';
import { BACKUP_PIECE_BYTES, BackupFrameWriter } from '../../store/backup-frame.ts';
import {
  type BackupFile,
  type BackupManifest,
  backupFileKey,
  type EarlierBackup,
  encodeManifest,
} from '../../store/backup-manifest.ts';
import { FileHandles } from '../../store/file-handles.ts';
import { chunkFile } from '../../store/file-number.ts';
import type { BrokerState } from '../broker-state.ts';
import type { Checkpointer } from '../checkpoints/checkpointer.ts';
import { rollJournal } from '../chunks/roll-journal.ts';
import { FIRST_COMPACTED_CHUNK } from '../compaction/compaction-state.ts';
import { Throttle } from '../compaction/throttle.ts';
import type { DataFiles } from '../retention/data-files.ts';
import type { FileHold } from '../retention/file-hold.ts';
import type { ChunkCache } from '../tiering/chunk-cache.ts';
import { encryptedFile } from './encrypted-file.ts';

export interface BackupsOptions {
  readonly directory: string;
  /** The files as they are: what is compressed or encrypted goes into the backup so. */
  readonly disk: Disk;
  /** Undefined: nothing is encrypted. */
  readonly keys: DataKeys | undefined;
  readonly clock: Clock;
  readonly journal: LocalJournal;
  readonly checkpointer: Checkpointer;
  readonly state: BrokerState;
  readonly files: DataFiles;
  readonly hold: FileHold;
  /** For chunks that are in the object store alone. */
  readonly cache: ChunkCache;
  readonly clusterId: () => string;
}

export interface BackupRequest {
  /** Files that it has are not sent again. */
  readonly earlier?: EarlierBackup | undefined;
  /** Of Millrace, for the manifest. */
  readonly version: string;
  /** 0: as fast as the reader takes it. */
  readonly maxBytesPerSecond: number;
}

/** One that runs. `frames` is read once; `close` lets the files go, whoever ends it, and is safe to call twice. */
export interface Backup {
  readonly manifest: BackupManifest;
  /** Heads and bodies in turn. @throws STORE_IO, STORE_CORRUPT, TIER_UNAVAILABLE and the like: then it has no end. */
  frames(): AsyncGenerator<Uint8Array, void, undefined>;
  close(): void;
}

/** Small; a restore begins with the checkpoint, and a key file may have been wrapped anew. */
const ALWAYS: ReadonlySet<BackupFile['kind']> = new Set(['checkpoint', 'key']);
/** Files that are open at once. */
const MAX_OPEN = 4;

export class Backups {
  /** `lastFinishedAt`: ms since 1970; 0 before the first. */
  readonly counters = { begun: 0, finished: 0, failed: 0, sentBytes: 0, lastFinishedAt: 0 };
  readonly #options: BackupsOptions;
  readonly #rawHandles: FileHandles;
  #running = false;

  constructor(options: BackupsOptions) {
    this.#options = options;
    this.#rawHandles = new FileHandles(options.disk, MAX_OPEN);
  }

  get running(): boolean {
    return this.#running;
  }

  /**
   * Everything acknowledged so far, and nothing that came after a point soon from now.
   *
   * @throws BACKUP_RUNNING (one at a time), BACKUP_EARLIER_UNUSABLE (of another cluster), BACKUP_UNAVAILABLE (the checkpoint
   *   could not be written; the log says why), and what the journal refuses with.
   */
  async begin(request: BackupRequest): Promise<Backup> {
    if (this.#running) {
      throw new MillraceError('BACKUP_RUNNING', 'A backup runs already. Wait for its end, or end it, and try again.');
    }
    this.#running = true;
    let release: (() => void) | undefined;
    const close = (): void => {
      release?.();
      this.#running = false;
    };
    try {
      this.#checkEarlier(request.earlier);
      release = await this.#options.hold.take();
      const manifest = await this.#plan(request);
      this.counters.begun += 1;
      let closed = false;
      return {
        manifest,
        frames: () => this.#frames(manifest, request.maxBytesPerSecond),
        close: () => {
          if (!closed) close();
          closed = true;
        },
      };
    } catch (error) {
      close();
      throw error;
    }
  }

  #checkEarlier(earlier: EarlierBackup | undefined): void {
    const clusterId = this.#options.clusterId();
    if (earlier === undefined || earlier.clusterId === clusterId) return;
    throw new MillraceError(
      'BACKUP_EARLIER_UNUSABLE',
      `The earlier backup is of cluster ${earlier.clusterId.slice(0, 100)}, and this is ${clusterId}: its files are others. ` +
        'Make a full backup.',
      { details: { clusterId } },
    );
  }

  async #plan({ earlier, version }: BackupRequest): Promise<BackupManifest> {
    const { journal, checkpointer, clock, clusterId } = this.#options;
    const closed = await rollJournal(journal);
    if (!(await checkpointer.checkpointThrough(closed))) throw unavailable();
    const id = randomBytes(8).toString('hex');
    const known = new Map(earlier?.files.map((file) => [backupFileKey(file), file.in] as const));
    const found = await this.#list(closed);
    const [checkpoint] = found;
    if (checkpoint === undefined) throw unavailable();
    const files = found.map((file): BackupFile => {
      const has = ALWAYS.has(file.kind) ? undefined : known.get(backupFileKey(file));
      return { ...file, in: has ?? id };
    });
    const createdAt = clock.now();
    return { format: 1, id, clusterId: clusterId(), version, createdAt, journalFile: checkpoint.number, files };
  }

  /** The newest checkpoint, which is that of `closed` or of a later file, and what it may refer to. */
  async #list(closed: number): Promise<Omit<BackupFile, 'in'>[]> {
    const { disk, directory, state, keys } = this.#options;
    const checkpoints = numberedFiles(await disk.list(checkpointDirectory(directory)), 'checkpoint');
    const newest = checkpoints.at(-1);
    if (newest === undefined || newest < closed) return [];
    const list: Omit<BackupFile, 'in'>[] = [];
    const add = async (kind: Exclude<BackupFile['kind'], 'chunk'>, number: number, path: string): Promise<void> => {
      list.push({ kind, number, sizeBytes: await fileSize(disk, path) });
    };
    await add('checkpoint', newest, checkpointPath(directory, newest));
    for (const key of numberedFiles(await disk.list(keysDirectory(directory)), 'key')) {
      await add('key', key, keyPath(directory, key));
    }
    const names = await disk.list(journalDirectory(directory));
    for (const file of numberedFiles(names, 'order')) await add('order', file, orderPath(directory, file));
    for (const file of numberedFiles(names, 'journal')) {
      if (file <= newest) await add('journal', file, journalPath(directory, file));
    }
    const local = new Set(numberedFiles(await disk.list(chunkDirectory(directory)), 'chunk'));
    const chunks = new Map<number, number>();
    for (const { chunk, rawBytes } of state.tier.places()) {
      chunks.set(chunk, keys === undefined ? rawBytes : blockFileBytes(rawBytes));
    }
    // Those of a round that is not committed may be written again under the same number, and nothing refers to them.
    for (const chunk of local) {
      if (isCommitted(state, chunk)) chunks.set(chunk, await fileSize(disk, chunkPath(directory, chunk)));
    }
    const inOrder = [...chunks].sort(([a], [b]) => a - b);
    return [...list, ...inOrder.map(([number, sizeBytes]) => ({ kind: 'chunk', number, sizeBytes }) as const)];
  }

  async *#frames(manifest: BackupManifest, maxBytesPerSecond: number): AsyncGenerator<Uint8Array, void, undefined> {
    const writer = new BackupFrameWriter();
    const throttle = new Throttle(this.#options.clock, maxBytesPerSecond);
    const body = encodeManifest(manifest);
    yield writer.head('manifest', body);
    yield body;
    const counts = { files: 0, bytes: 0 };
    try {
      for (const [row, file] of manifest.files.entries()) {
        if (file.in !== manifest.id) continue;
        let position = 0;
        for await (const piece of this.#pieces(file)) {
          yield writer.head('piece', piece, row, position);
          yield piece;
          this.counters.sentBytes += piece.length;
          counts.bytes += piece.length;
          position += piece.length;
          await throttle.spend(piece.length);
        }
        counts.files += 1;
      }
    } catch (error) {
      this.counters.failed += 1;
      const { code, message } = asMillraceError(error);
      const words = new TextEncoder().encode(JSON.stringify({ code, message }));
      yield writer.head('failed', words);
      yield words;
      throw error;
    }
    const end = new TextEncoder().encode(JSON.stringify(counts));
    yield writer.head('end', end);
    yield end;
    this.counters.finished += 1;
    this.counters.lastFinishedAt = this.#options.clock.now();
  }

  /** The file as it is, or would be: an encrypted chunk that is in the object store alone is made anew. */
  async *#pieces(file: BackupFile): AsyncGenerator<Uint8Array, void, undefined> {
    const { directory, files, cache, keys, state } = this.#options;
    const { kind, number } = file;
    const contentBytes = kind === 'chunk' && !files.has(chunkFile(number)) ? cache.sizeOf(number) : undefined;
    if (contentBytes === undefined) {
      const path = pathOf(directory, kind, number);
      yield* piecesOf(file.sizeBytes, (into, position) => this.#rawHandles.read(path, into, position));
      this.#rawHandles.forget(path);
      return;
    }
    const content = piecesOf(contentBytes, (into, position) => this.#readCold(number, into, position));
    if (keys === undefined) yield* content;
    else yield* encryptedFile(content, keys.active(prefixOfChunk(state, keys, number)));
  }

  async #readCold(chunk: number, into: Uint8Array, position: number): Promise<void> {
    const stretch = { chunk, position, sizeBytes: into.length, holds: 'records' } as const;
    await this.#options.cache.read(stretch, into);
  }
}

async function* piecesOf(
  sizeBytes: number,
  read: (into: Uint8Array, position: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let position = 0; position < sizeBytes; position += BACKUP_PIECE_BYTES) {
    const piece = new Uint8Array(Math.min(BACKUP_PIECE_BYTES, sizeBytes - position));
    await read(piece, position);
    yield piece;
  }
}

/** The prefix with a data key of its own that the chunk's topics are under: all of them, or none. */
function prefixOfChunk({ topics }: BrokerState, keys: DataKeys, chunk: number): string {
  if (keys.prefixes.length === 0) return '';
  for (const { name, partitions } of topics.list()) {
    const prefix = keys.prefixOf(name);
    if (prefix === '') continue;
    for (const { ranges } of partitions) {
      for (let i = 0; i < (ranges?.count ?? 0); i++) if (ranges?.file(i) === chunkFile(chunk)) return prefix;
    }
  }
  return '';
}

/** The number is taken for ever: partitions may refer to it. */
function isCommitted({ chunks, compaction }: BrokerState, chunk: number): boolean {
  return chunk < (chunk < FIRST_COMPACTED_CHUNK ? chunks.nextChunk : compaction.nextChunk);
}

/** Where a file of a backup stands in a data directory. */
export function pathOf(directory: string, kind: BackupFile['kind'], number: number): string {
  switch (kind) {
    case 'checkpoint':
      return checkpointPath(directory, number);
    case 'order':
      return orderPath(directory, number);
    case 'journal':
      return journalPath(directory, number);
    case 'chunk':
      return chunkPath(directory, number);
    case 'key':
      return keyPath(directory, number);
    default:
      return kind satisfies never;
  }
}

function unavailable(): MillraceError {
  return new MillraceError(
    'BACKUP_UNAVAILABLE',
    'No checkpoint could be written, so there is nothing to begin from; the broker says why in its log. Try again later.',
  );
}
