/**
 * Streams of the Durable Streams protocol: the decisions behind every change, and expiry. Each change is one transaction:
 * records, the producer's sequence and the closing are in one commit or not at all.
 */
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import { type CommitBuilder, type Journal, transactOnce } from '../../journal/journal.ts';
import { type Deadline, Deadlines } from '../groups/deadlines.ts';
import type { ProduceCounters } from '../produce.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import type { Topics } from '../topics.ts';
import type { OwnedBatch } from './owned-batch.ts';
import { mediaTypeOf, type Stream } from './stream.ts';
import {
  type AppendSettled,
  AppendTransaction,
  checkContentType,
  type StreamAppend,
  stageBatches,
} from './stream-append.ts';
import { encodeCreated, encodeRetired, encodeTouched } from './stream-commands.ts';
import { checkAlive, checkSource, isExpired, lifeLeftMs, streamNotFound } from './stream-life.ts';
import type { StreamsState } from './streams-state.ts';

export interface StreamSpec {
  /** Canonical topic name. */
  readonly name: string;
  /** Undefined: that of the source, or `application/octet-stream`. */
  readonly contentType: string | undefined;
  readonly ttlSeconds: number | undefined;
  readonly expiresAt: string | undefined;
  readonly closed: boolean;
  readonly fork: ForkSpec | undefined;
  /** First records; offsets are written into them. */
  readonly batches: readonly OwnedBatch[];
}

/** Resolved from what was asked (`fork-point.ts`). */
export interface ForkSpec {
  readonly source: Stream;
  readonly askedOffset: number;
  readonly askedSubOffset: number;
  /** Whether the request named an offset, and not just "where the source ends". */
  readonly offsetGiven: boolean;
  readonly endOffset: number;
  readonly partialBytes: number;
}

export interface CreatedStream {
  readonly stream: Stream;
  /** False: it was there, with the same configuration. */
  readonly created: boolean;
  readonly nextOffset: number;
}

/** Takes part in the transactions that make and remove streams. */
export interface StreamHooks {
  /** Inside `build`: pure over the head state. */
  stageCreated(commit: CommitBuilder, stream: Stream): void;
  /** The stream is there, durably. */
  created(stream: Stream): void;
}

export interface StreamsOptions {
  readonly journal: Journal;
  readonly state: StreamsState;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly counters: ProduceCounters;
}

/** Reads move the expiry of a stream in memory at once, and in the journal when they moved it by this part of its TTL. */
const TOUCH_FRACTION = 8;
const MIN_TOUCH_MS = 1_000;
/** A failed deletion of an expired stream is tried again after so long. */
const RETRY_MS = 10_000;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #deadlines: Deadlines;
  readonly #expiries = new Map<Stream, Deadline>();
  readonly #touched = new Set<Stream>();
  #hooks: StreamHooks | undefined;
  #touchScheduled = false;
  #stopped = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
  }

  get size(): number {
    return this.#options.state.size;
  }

  list(): Iterable<Stream> {
    return this.#options.state.list();
  }

  /** Once, by the subscriptions. */
  setHooks(hooks: StreamHooks): void {
    this.#hooks = hooks;
  }

  /** After recovery. What was read since the last touch in the journal is not known, so it is counted in the stream's favour. */
  start(): void {
    for (const stream of this.list()) {
      const { ttlSeconds } = stream.config;
      if (ttlSeconds !== undefined) stream.accessedAt = stream.touchedAt + touchEveryMs(ttlSeconds);
      this.#watchExpiry(stream);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#deadlines.stop();
  }

  /** @param name canonical. @returns the stream unless it is absent, expired or retired. */
  find(name: string): Stream | undefined {
    const stream = this.#options.topics.find(name)?.stream;
    return stream === undefined || stream.retired || isExpired(stream, this.#options.clock.now()) ? undefined : stream;
  }

  /** @throws BROKER_STREAM_NOT_FOUND, BROKER_STREAM_GONE. */
  get(name: string): Stream {
    const topic = this.#options.topics.find(name);
    const stream = topic?.stream;
    if (topic === undefined || stream === undefined) throw streamNotFound(name, topic);
    checkAlive(stream, this.#options.clock.now());
    return stream;
  }

  /** @throws BROKER_STREAM_NOT_FOUND, BROKER_STREAM_GONE where it went away since it was found. */
  check(stream: Stream): void {
    checkAlive(stream, this.#options.clock.now());
  }

  /** What may be forked: also a retired one is found, to be refused for what it is. @throws BROKER_STREAM_NOT_FOUND. */
  source(name: string): Stream {
    const topic = this.#options.topics.find(name);
    if (topic?.stream === undefined) throw streamNotFound(name, topic);
    checkSource(topic.stream, this.#options.clock.now());
    return topic.stream;
  }

  /** Whether readers may be told that it is closed: a crash must not take back an end that was seen. */
  isClosed(stream: Stream): boolean {
    return stream.closed && this.#options.journal.status().publishedCommit >= stream.closedAtCommit;
  }

  /** A read came: the time to live begins anew. */
  touch(stream: Stream): void {
    const { ttlSeconds } = stream.config;
    if (ttlSeconds === undefined) return;
    stream.accessedAt = Math.max(stream.accessedAt, this.#options.clock.now());
    this.#watchExpiry(stream);
    if (stream.accessedAt - stream.touchedAt < touchEveryMs(ttlSeconds)) return;
    this.#touched.add(stream);
    this.#scheduleTouches();
  }

  /**
   * Creates the stream, or finds it with the same configuration. A topic of one partition that is no stream yet becomes one.
   *
   * @throws BROKER_STREAM_CONFLICT, BROKER_STREAM_FORKED, BROKER_STREAM_NOT_FOUND (of a fork's source),
   *   BROKER_LIMIT_REACHED, or what the journal refuses with.
   */
  async create(spec: StreamSpec): Promise<CreatedStream> {
    const now = this.#options.clock.now();
    const result = await transactOnce(this.#options.journal, (commit) => this.#build(commit, spec, now));
    if (result.created) {
      this.#watchExpiry(result.stream);
      this.#hooks?.created(result.stream);
    }
    return result;
  }

  /**
   * Appends, closes, or both, in one commit. Appends are taken in call order, and settle in it.
   *
   * @param settled once, perhaps inside the call; with an error: BROKER_STREAM_NOT_FOUND, BROKER_STREAM_GONE,
   *   BROKER_STREAM_CONFLICT (another content type), BROKER_STREAM_SEQUENCE_OLD, BROKER_REQUEST_INVALID (a new epoch that
   *   does not begin at 0), BROKER_LIMIT_REACHED, or what the journal refuses with.
   */
  append(stream: Stream, append: StreamAppend, settled: AppendSettled): void {
    const { clock, counters, journal } = this.#options;
    const done: AppendSettled = (result) => {
      if (!(result instanceof MillraceError)) {
        this.touch(stream);
        if (append.closes && result.kind === 'appended') this.#wakeWatchers(stream);
      }
      settled(result);
    };
    journal.transact(new AppendTransaction(stream, append, clock.now(), counters, done));
  }

  /**
   * Stages records and nothing else in a transaction of another part.
   * @returns false where the stream takes none.
   */
  stageRecords(commit: CommitBuilder, stream: Stream, batches: readonly OwnedBatch[], now: number): boolean {
    if (stream.topic.deleted || stream.topic.sealed) return false;
    stageBatches(commit, stream.topic, batches, now, this.#options.counters);
    return true;
  }

  /** Deletes it; while forks read its records it is retired instead. @throws BROKER_STREAM_NOT_FOUND, BROKER_STREAM_GONE. */
  async delete(stream: Stream): Promise<void> {
    const now = this.#options.clock.now();
    await transactOnce(this.#options.journal, (commit) => {
      checkAlive(stream, now);
      this.#stageRemoval(commit, stream);
    });
    this.#removed(stream);
  }

  #build(commit: CommitBuilder, spec: StreamSpec, now: number): CreatedStream {
    const { topics } = this.#options;
    const { fork } = spec;
    if (fork !== undefined) checkSource(fork.source, now);
    let topic = topics.find(spec.name);
    const known = topic?.stream;
    if (known !== undefined && !known.retired && isExpired(known, now)) {
      this.#stageRemoval(commit, known);
      topic = topics.find(spec.name);
    }
    const stream = topic?.stream;
    if (stream !== undefined) {
      checkSame(stream, spec);
      return { stream, created: false, nextOffset: Math.max(stream.partition.endOffset, stream.ownStart) };
    }
    if (fork !== undefined && spec.contentType !== undefined) checkContentType(fork.source, spec.contentType);
    if (topic !== undefined) checkAdoptable(topic, fork !== undefined);
    const made = topic ?? topics.stageNew(commit, spec.name, 1);
    commit.command(
      COMMAND.STREAM_CREATED,
      encodeCreated({
        topicId: made.id,
        contentType: spec.contentType ?? fork?.source.config.contentType ?? 'application/octet-stream',
        ...expiryOf(spec),
        createdAt: now,
        closed: spec.closed,
        fork: fork === undefined ? undefined : { ...fork, sourceId: fork.source.topic.id },
      }),
    );
    const result = made.stream as Stream;
    stageBatches(commit, made, spec.batches, now, this.#options.counters);
    this.#hooks?.stageCreated(commit, result);
    return { stream: result, created: true, nextOffset: result.partition.endOffset };
  }

  /** With the last fork of a retired source goes the source, and so on up the chain. */
  #stageRemoval(commit: CommitBuilder, stream: Stream): void {
    if (stream.forkCount > 0) {
      commit.command(COMMAND.STREAM_RETIRED, encodeRetired(stream.topic.id));
      return;
    }
    for (let next: Stream | undefined = stream; next !== undefined; ) {
      const source: Stream | undefined = next.config.fork?.source;
      this.#options.topics.stageDeletion(commit, next.topic);
      next = source?.retired === true && source.forkCount === 0 ? source : undefined;
    }
  }

  #removed(stream: Stream): void {
    this.#expiries.get(stream)?.cancel();
    this.#expiries.delete(stream);
    this.#wakeWatchers(stream);
  }

  #wakeWatchers(stream: Stream): void {
    for (const watcher of [...(stream.watchers ?? [])]) watcher();
  }

  #watchExpiry(stream: Stream): void {
    const leftMs = lifeLeftMs(stream, this.#options.clock.now());
    if (leftMs === Number.POSITIVE_INFINITY || stream.retired || this.#stopped) return;
    let deadline = this.#expiries.get(stream);
    if (deadline === undefined) {
      deadline = this.#deadlines.create(() => void this.#expire(stream));
      this.#expiries.set(stream, deadline);
    }
    deadline.set(Math.max(0, leftMs));
  }

  async #expire(stream: Stream): Promise<void> {
    if (stream.topic.deleted || stream.retired) {
      this.#expiries.delete(stream);
      return;
    }
    if (!isExpired(stream, this.#options.clock.now())) {
      this.#watchExpiry(stream);
      return;
    }
    try {
      await transactOnce(this.#options.journal, (commit) => {
        if (!stream.topic.deleted && !stream.retired) this.#stageRemoval(commit, stream);
      });
      this.#removed(stream);
    } catch {
      // The journal says itself what is wrong with it; the stream is refused as expired meanwhile.
      if (!this.#stopped) this.#expiries.get(stream)?.set(RETRY_MS);
    }
  }

  #scheduleTouches(): void {
    if (this.#touchScheduled || this.#stopped) return;
    this.#touchScheduled = true;
    this.#options.clock.schedule(MIN_TOUCH_MS, () => {
      this.#touchScheduled = false;
      const touches = [...this.#touched].filter(({ topic }) => !topic.deleted);
      this.#touched.clear();
      if (touches.length === 0 || this.#stopped) return;
      const body = encodeTouched(touches.map(({ topic, accessedAt }) => ({ topicId: topic.id, at: accessedAt })));
      // Nobody waits for it, and without it a stream only lives longer after a restart than its last touch says.
      transactOnce(this.#options.journal, (commit) => commit.command(COMMAND.STREAM_TOUCHED, body), 'admitted').catch(
        () => {},
      );
    });
  }
}

function touchEveryMs(ttlSeconds: number): number {
  return Math.max(MIN_TOUCH_MS, Math.floor((ttlSeconds * 1000) / TOUCH_FRACTION));
}

/** What is not asked for is inherited from the source of a fork. */
function expiryOf({ ttlSeconds, expiresAt, fork }: StreamSpec) {
  if (ttlSeconds !== undefined || expiresAt !== undefined || fork === undefined) return { ttlSeconds, expiresAt };
  const { config } = fork.source;
  return { ttlSeconds: config.ttlSeconds, expiresAt: config.expiresAt };
}

/** @throws BROKER_STREAM_CONFLICT, BROKER_STREAM_FORKED. */
function checkSame(stream: Stream, spec: StreamSpec): void {
  const { name } = stream.topic;
  if (stream.retired) {
    throw new MillraceError(
      'BROKER_STREAM_FORKED',
      `Stream ${name} was deleted, but ${stream.forkCount} forks still read its records. The name is free when they are gone.`,
      { details: { stream: name, forks: stream.forkCount } },
    );
  }
  const difference = differenceOf(stream, spec);
  if (difference === undefined) return;
  throw new MillraceError('BROKER_STREAM_CONFLICT', `Stream ${name} exists with ${difference}.`, {
    details: { stream: name },
  });
}

function differenceOf(stream: Stream, spec: StreamSpec): string | undefined {
  const { config } = stream;
  const { fork } = spec;
  const contentType = spec.contentType ?? fork?.source.config.contentType ?? 'application/octet-stream';
  const expiry = expiryOf(spec);
  if (stream.mediaType !== mediaTypeOf(contentType)) return `content type ${config.contentType}`;
  if (config.ttlSeconds !== expiry.ttlSeconds) return `a TTL of ${config.ttlSeconds ?? 'no'} seconds`;
  if (stream.expiresAtMs !== (expiry.expiresAt === undefined ? undefined : Date.parse(expiry.expiresAt))) {
    return `expiry ${config.expiresAt ?? 'never'}`;
  }
  if (stream.closed !== spec.closed) return stream.closed ? 'its end reached: it is closed' : 'its end open';
  if (config.fork?.source !== fork?.source) return 'another source';
  if (fork === undefined || config.fork === undefined) return undefined;
  if (fork.offsetGiven && fork.askedOffset !== config.fork.askedOffset) return 'another fork offset';
  return fork.askedSubOffset === config.fork.askedSubOffset ? undefined : 'another fork sub-offset';
}

/** @throws BROKER_STREAM_CONFLICT. */
function checkAdoptable(topic: Topic, isFork: boolean): void {
  const count = topic.partitionCount;
  if (count === 1 && !isFork) return;
  const why = isFork ? 'a fork needs a name of its own' : `it has ${count} partitions, and a stream has one`;
  throw new MillraceError('BROKER_STREAM_CONFLICT', `Topic ${topic.name} exists and is no stream: ${why}.`, {
    details: { topic: topic.name, partitions: count },
  });
}
