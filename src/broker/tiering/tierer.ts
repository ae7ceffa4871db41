/**
 * Moves chunks to the object store, lets their files go where room is wanted, and removes what nobody reads any more. A store
 * that is slow or down delays this and the reads of what is there alone; nothing waits for it.
 *
 * ```
 *  sealed ──► upload, looked at ──► CHUNKS_TIERED ──► file goes (size, age) ──► read through the cache
 *                                        │ no partition has batches in it
 *                                        ▼
 *                                 CHUNKS_FORGOTTEN ──grace──► object goes
 *  objects that no command names, older than the grace: swept
 * ```
 * Chunks of compacted topics stay: they are rewritten again and again.
 */
import type { Timer } from '../../base/clock.ts';
import { asMillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { isChunk } from '../../store/file-number.ts';
import { FIRST_COMPACTED_CHUNK } from '../compaction/compaction-state.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import type { ChunkCache } from './chunk-cache.ts';
import { type ChunkAge, Evictor, type EvictorOptions } from './evictor.ts';
import type { TieredPlace, WholeChunk } from './messages.ts';
import type { TierLink } from './tier-link.ts';
import { type TierState, tierCommands } from './tier-state.ts';

/** Partitions looked at in one turn of the event loop. */
const PARTITIONS_PER_TURN = 5_000;
/** Chunks of one command. */
const MAX_FORGOTTEN = 1_000;
/** Chunks on their way at once: while one is written to the store the next is compressed. */
const UPLOADS = 2;
/** The store is asked for all its objects this often. */
const SWEEP_EVERY_MS = 60 * 60 * 1000;

export interface TiererOptions extends EvictorOptions {
  readonly journal: Journal;
  readonly link: TierLink;
  readonly cache: ChunkCache;
  readonly topics: () => Iterable<Topic>;
  readonly logger: Logger;
  /** First part of all keys: no other broker has it. */
  readonly clusterId: () => string;
  /** For names that are used once. */
  readonly newId: () => string;
  /** True: no file and no object goes now. */
  readonly isHeld: () => boolean;
}

interface ChunkUse extends ChunkAge {
  newest: number;
  /** A compacted topic has batches in it. */
  compacted: boolean;
}

interface Doomed {
  readonly object: string;
  /** Monotonic. */
  readonly dueAt: number;
}

export class Tierer {
  readonly counters = {
    uploads: 0,
    /** Of them, chunks that never had a file. */
    straight: 0,
    uploadedBytes: 0,
    storedBytes: 0,
    failures: 0,
    deleted: 0,
    swept: 0,
  };
  /** Of the last look. */
  readonly last = { waitingChunks: 0, waitingBytes: 0, reachable: true };
  readonly #options: TiererOptions;
  readonly #evictor: Evictor;
  #doomed: Doomed[] = [];
  /** Objects that are being written: no command names them yet. */
  readonly #writing = new Set<string>();
  /** Of them, those of chunks without files. */
  readonly #straight = new Set<string>();
  /** Chunks that were in the store when the last look at uses began. */
  #placesBefore: readonly TieredPlace[] = [];
  #sweptAt: number;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  /** There are new chunks since the look began that runs. */
  #again = false;
  /** Of the last look. */
  #uses: ReadonlyMap<number, ChunkUse> = new Map();
  #stopped = false;

  constructor(options: TiererOptions) {
    this.#options = options;
    this.#evictor = new Evictor(options);
    // The first sweep comes when what an earlier run left is older than the grace.
    this.#sweptAt = options.clock.monotonic() - SWEEP_EVERY_MS + options.settings.tierGraceMs;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(this.#options.settings.tierCheckMs, () => {
      void this.look().finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const stopped = this.#evictor.stop();
    await this.#options.link.close();
    await this.#running;
    await stopped;
  }

  /** Does what is due; joins the look that runs. Never rejects: a failure is logged, and the next look tries again. */
  look(): Promise<void> {
    this.#running ??= this.#look()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#running = undefined;
        if (this.#again) this.nudge();
      });
    return this.#running;
  }

  /**
   * Puts a chunk that has no file into the store. Nothing refers to it yet: whoever asked commits that, then says `straightSettled`.
   *
   * @throws as uploads do. The store counts as unreachable then, until an upload or a look goes well.
   */
  async store(whole: WholeChunk): Promise<TieredPlace> {
    const { chunk } = whole;
    const object = this.#newObject(chunk);
    this.#writing.add(object);
    this.#straight.add(object);
    try {
      const sizes = await this.#options.link.ask({ kind: 'store', object, ...whole });
      this.#count(sizes);
      this.counters.straight += 1;
      return { chunk, object, ...sizes };
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** What `store` has written is named by commands now, or never will be, and is swept. */
  straightSettled(): void {
    for (const object of this.#straight) this.#writing.delete(object);
    this.#straight.clear();
  }

  /** Files of chunks that have left the disk. */
  get evicted(): number {
    return this.#evictor.count;
  }

  /** Bytes of chunks on the disk that wait for the store. */
  waitingBytes(): number {
    let bytes = 0;
    for (const [chunk, sizeBytes] of this.#options.local()) {
      const isNew = chunk < FIRST_COMPACTED_CHUNK && this.#options.state.place(chunk) === undefined;
      if (isNew && this.#uses.get(chunk)?.compacted !== true) bytes += sizeBytes;
    }
    return bytes;
  }

  /** Chunks are there that room is waited for: they are looked at now, and not at the next look. */
  nudge(): void {
    if (this.#stopped || this.#timer === undefined) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer.cancel();
    void this.look().finally(() => this.start());
  }

  /** There is more on the disk: what may leave it does. */
  makeRoom(): void {
    if (this.#stopped || this.#timer === undefined) return;
    this.#evictor.run(() => this.#uses).catch((error: unknown) => this.#failed(error));
  }

  /** What the store has for readers. */
  places(): Iterable<TieredPlace> {
    return this.#options.state.places();
  }

  /** Bytes in the store: of the chunks' files, and of their objects. */
  sizes(): { rawBytes: number; storedBytes: number } {
    const sizes = { rawBytes: 0, storedBytes: 0 };
    for (const { rawBytes, storedBytes } of this.#options.state.places()) {
      sizes.rawBytes += rawBytes;
      sizes.storedBytes += storedBytes;
    }
    return sizes;
  }

  async #look(): Promise<void> {
    await this.#lookAtUses();
    if (this.#stopped) return;
    if (!this.#options.isHeld()) await this.#forget(this.#uses);
    try {
      do {
        this.#again = false;
        await this.#upload(this.#uses);
        if (this.#again) await this.#lookAtUses();
      } while (this.#again && !this.#stopped);
    } finally {
      // Also where the store is down: what is there already may leave the disk.
      if (!this.#stopped) await this.#evictor.run(() => this.#uses);
    }
    await this.#deleteDoomed();
    if (!this.#options.isHeld()) await this.#sweep();
    this.#reached();
  }

  /** Which chunks partitions have batches in. */
  async #lookAtUses(): Promise<void> {
    // What is sealed straight into the store while this walks has its place before it has a use here.
    this.#placesBefore = [...this.#options.state.places()];
    const uses = new Map<number, ChunkUse>();
    let looked = 0;
    for (const topic of this.#options.topics()) {
      const compacted = topic.limits.compaction !== undefined;
      for (const { ranges } of topic.partitions) {
        if (++looked % PARTITIONS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
        for (let i = 0; i < (ranges?.count ?? 0); i++) {
          const file = ranges?.file(i) as number;
          if (isChunk(file)) addUse(uses, -file, ranges?.maxTimestamp(i) as number, compacted);
        }
      }
    }
    this.#uses = uses;
  }

  async #upload(uses: ReadonlyMap<number, ChunkUse>): Promise<void> {
    const { local, state } = this.#options;
    const waiting = [...local()].filter(([chunk]) => isWaiting(chunk, uses, state)).sort(([a], [b]) => a - b);
    this.last.waitingChunks = waiting.length;
    this.last.waitingBytes = waiting.reduce((sum, [, sizeBytes]) => sum + sizeBytes, 0);
    const next = waiting.values();
    const failures: unknown[] = [];
    const work = Array.from({ length: UPLOADS }, async () => {
      try {
        for (const [chunk, sizeBytes] of next) {
          if (this.#stopped || failures.length > 0) return;
          await this.#uploadOne(chunk, sizeBytes);
        }
      } catch (error) {
        failures.push(error);
      }
    });
    await Promise.all(work);
    if (failures.length > 0) throw failures[0];
  }

  async #uploadOne(chunk: number, sizeBytes: number): Promise<void> {
    const { local, link, logger } = this.#options;
    const object = this.#newObject(chunk);
    this.#writing.add(object);
    try {
      const sizes = await link.ask({ kind: 'upload', chunk, object });
      await this.#commitTiered({ chunk, object, ...sizes });
      this.#count(sizes);
      this.last.waitingChunks -= 1;
      this.last.waitingBytes -= sizeBytes;
      // After an outage there may be hours of uploads.
      this.#reached();
      // Not only in the end: an hour of uploads would leave the disk as full as it is.
      if (!this.#stopped) await this.#evictor.run(() => this.#uses);
    } catch (error) {
      // The file may have gone with its last record; damage of one chunk does not keep the others here.
      const { code, message } = asMillraceError(error, 'STORE_IO');
      if (code !== 'STORE_IO' && code !== 'STORE_CORRUPT') throw error;
      this.counters.failures += 1;
      if (local().has(chunk)) logger.error(`A chunk was not copied to the object store: ${message}`, { code, chunk });
    } finally {
      this.#writing.delete(object);
    }
  }

  #newObject(chunk: number): string {
    const { clusterId, newId } = this.#options;
    return `${clusterId()}/chunk/${String(chunk).padStart(10, '0')}-${newId()}`;
  }

  #count({ rawBytes, storedBytes }: Pick<TieredPlace, 'rawBytes' | 'storedBytes'>): void {
    this.counters.uploads += 1;
    this.counters.uploadedBytes += rawBytes;
    this.counters.storedBytes += storedBytes;
  }

  async #commitTiered(place: TieredPlace): Promise<void> {
    await transactOnce(this.#options.journal, (commit) =>
      commit.command(COMMAND.CHUNKS_TIERED, tierCommands.tiered([place])),
    );
  }

  async #forget(uses: ReadonlyMap<number, ChunkUse>): Promise<void> {
    const { state, journal, cache, clock, settings } = this.#options;
    const unused = this.#placesBefore
      .filter(({ chunk }) => !uses.has(chunk) && state.place(chunk) !== undefined)
      .slice(0, MAX_FORGOTTEN);
    if (unused.length === 0) return;
    const chunks = unused.map(({ chunk }) => chunk);
    await transactOnce(journal, (commit) => commit.command(COMMAND.CHUNKS_FORGOTTEN, tierCommands.forgotten(chunks)));
    const dueAt = clock.monotonic() + settings.tierGraceMs;
    for (const { chunk, object } of unused) {
      cache.forget(chunk);
      this.#doomed.push({ object, dueAt });
    }
  }

  async #deleteDoomed(): Promise<void> {
    const now = this.#options.clock.monotonic();
    const due = this.#doomed.filter(({ dueAt }) => dueAt <= now);
    for (const { object } of due) {
      if (this.#stopped || this.#options.isHeld()) return;
      await this.#options.link.ask({ kind: 'delete', object });
      this.#doomed = this.#doomed.filter((each) => each.object !== object);
      this.counters.deleted += 1;
    }
  }

  /** What uploads with a lost answer, and runs that ended early, have left. */
  async #sweep(): Promise<void> {
    const { clock, settings, link, state, clusterId } = this.#options;
    if (clock.monotonic() - this.#sweptAt < SWEEP_EVERY_MS) return;
    const objects = await link.ask({ kind: 'list', prefix: `${clusterId()}/chunk/` });
    const known = new Set([...state.places()].map(({ object }) => object));
    for (const { object } of this.#doomed) known.add(object);
    for (const { key, ageMs } of objects) {
      if (known.has(key) || this.#writing.has(key) || ageMs < settings.tierGraceMs || this.#stopped) continue;
      await link.ask({ kind: 'delete', object: key });
      this.counters.swept += 1;
    }
    this.#sweptAt = clock.monotonic();
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    const { code, message } = asMillraceError(error);
    this.counters.failures += 1;
    // Once: a store that is down for a day would fill the log.
    if (this.last.reachable) this.#options.logger.error(`The object store does not do its part: ${message}`, { code });
    this.last.reachable = false;
  }

  #reached(): void {
    if (!this.last.reachable) this.#options.logger.info('The object store does its part again.');
    this.last.reachable = true;
  }
}

function addUse(uses: Map<number, ChunkUse>, chunk: number, newest: number, compacted: boolean): void {
  const use = uses.get(chunk);
  if (use === undefined) uses.set(chunk, { newest, compacted });
  else {
    use.newest = Math.max(use.newest, newest);
    use.compacted ||= compacted;
  }
}

function isWaiting(chunk: number, uses: ReadonlyMap<number, ChunkUse>, state: TierState): boolean {
  const use = uses.get(chunk);
  return chunk < FIRST_COMPACTED_CHUNK && use !== undefined && !use.compacted && state.place(chunk) === undefined;
}
