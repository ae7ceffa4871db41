/**
 * Delivers records to HTTP endpoints, in order for each partition, until they are taken (Pyramid's pusher).
 *
 * ```
 *               records readable                       taken, or the application is elsewhere
 *   idle ───────────────────────► ready ─► delivering ─────────────────────────────────────────► idle or ready
 *                                   ▲           │ failed
 *                                   └─ waiting ◄┘ longer each time; after `maxAttempts`: dead letter, and on
 * ```
 * The application keeps its own offset and says where it is; the cursors here are where to begin asking. They are in the
 * journal, written as deliveries are taken and not waited for: what a crash takes back is delivered again.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { partitionOfKey } from '../../model/murmur2.ts';
import { lastOffsetDelta, stampBatch } from '../../model/record-batch.ts';
import { type Deadline, Deadlines } from '../groups/deadlines.ts';
import { LEADER_EPOCH } from '../produce.ts';
import type { RecordReader } from '../read-record.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import type { Topics } from '../topics.ts';
import type { PushCounters, PushLinkView, PushOutcome, PushSender } from './api.ts';
import { deadLetterBatch } from './dead-letter.ts';
import { type PlacedCursor, Push, type PushConfig } from './push.ts';
import { encodeConfigured, encodeMoved, encodePaused, encodeRemoved } from './push-commands.ts';
import { type LinkOwner, PushLink } from './push-link.ts';
import type { PushesState } from './pushes-state.ts';

export interface PushesOptions {
  readonly journal: Journal;
  readonly state: PushesState;
  readonly topics: Topics;
  /** Grows with every change of the topics. */
  readonly topicsVersion: () => number;
  readonly reader: RecordReader;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

const MAX_PUSHES = 1_000;
/** Partitions of one push: some 300 bytes each here, and in every checkpoint once they have moved. */
const MAX_LINKS = 100_000;
/** Deliveries under way over all pushes: each holds up to a mebibyte of text. */
const MAX_IN_FLIGHT = 128;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 60_000;
const JITTER = 0.2;
/** An application that says where it is more often than this, one time after the other, does not know. */
const MAX_REWINDS = 5;
/** New topics are looked for this often at most while topics change. */
const SCAN_EVERY_MS = 250;

/** What a push has besides its folded state. */
interface Runtime {
  readonly push: Push;
  /** By partition number. */
  readonly links: Map<number, PushLink>;
  /** Links that wait for their turn. */
  readonly ready: Set<PushLink>;
  inFlight: number;
  limitTold: boolean;
}

export class Pushes implements LinkOwner {
  readonly counters: PushCounters = { deliveries: 0, failures: 0, records: 0, rewinds: 0, deadLetters: 0 };
  readonly #options: PushesOptions;
  readonly #deadlines: Deadlines;
  readonly #runtimes = new Map<string, Runtime>();
  #sender: PushSender | undefined;
  #inFlight = 0;
  #scannedVersion = -1;
  #scan: Deadline;
  #stopped = false;

  constructor(options: PushesOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
    this.#scan = this.#deadlines.create(() => this.#scanTopics());
  }

  get size(): number {
    return this.#options.state.size;
  }

  /** Deliveries under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes up where the journal says that each push stands. */
  start(): void {
    for (const push of this.#options.state.list()) this.#open(push);
  }

  stop(): void {
    this.#stopped = true;
    this.#deadlines.stop();
    for (const { links } of this.#runtimes.values()) for (const link of links.values()) link.stop();
    this.#runtimes.clear();
  }

  /** Deliveries are made from now on. A listener that goes away gives `undefined`. */
  attach(sender: PushSender | undefined): void {
    this.#sender = sender;
    this.#pumpAll();
  }

  /** Something was published; topics may be new. */
  published(): void {
    if (this.#runtimes.size === 0 || this.#scan.isSet || this.#stopped) return;
    if (this.#options.topicsVersion() !== this.#scannedVersion) this.#scan.set(SCAN_EVERY_MS);
  }

  /** @throws BROKER_PUSH_NOT_FOUND. */
  get(id: string): Push {
    const push = this.#options.state.find(id);
    if (push === undefined) throw notFound(id);
    return push;
  }

  list(): Iterable<Push> {
    return this.#options.state.list();
  }

  /**
   * Makes the push, or changes what it asks for: where it stands stays.
   *
   * @throws BROKER_LIMIT_REACHED, MODEL_TOPIC_PATTERN_INVALID.
   */
  async put(config: PushConfig): Promise<{ readonly push: Push; readonly created: boolean }> {
    const { journal, state, clock } = this.#options;
    const at = clock.now();
    const created = await transactOnce(journal, (commit) => {
      const isNew = state.find(config.id) === undefined;
      if (isNew && state.size >= MAX_PUSHES) throw limit(`${MAX_PUSHES} pushes`, MAX_PUSHES);
      const cursors = isNew && config.start === 'latest' ? this.#ends(config) : [];
      commit.command(COMMAND.PUSH_CONFIGURED, encodeConfigured({ config, at, cursors }));
      return isNew;
    });
    const push = this.get(config.id);
    this.#close(push.id);
    this.#open(push);
    return { push, created };
  }

  /** Idempotent. What is under way may still arrive. */
  async delete(id: string): Promise<void> {
    const { journal, state } = this.#options;
    await transactOnce(journal, (commit) => {
      if (state.find(id) !== undefined) commit.command(COMMAND.PUSH_DELETED, encodeRemoved(id));
    });
    this.#close(id);
  }

  /** Paused, nothing new is delivered. Resumed, everything that failed is tried at once. @throws BROKER_PUSH_NOT_FOUND. */
  async pause(id: string, paused: boolean): Promise<Push> {
    const push = this.get(id);
    await transactOnce(this.#options.journal, (commit) => {
      if (push.deleted) throw notFound(id);
      if (push.paused !== paused) commit.command(COMMAND.PUSH_PAUSED, encodePaused(id, paused));
    });
    if (!paused) this.#resume(push);
    return push;
  }

  /** Its partitions as they stand. */
  *links({ id }: Push): Generator<PushLinkView, void, undefined> {
    for (const link of this.#runtimes.get(id)?.links.values() ?? []) yield link.view();
  }

  /** Records that can be read and were not taken, over all partitions. */
  lag(push: Push): number {
    let lag = 0;
    for (const view of this.links(push)) lag += view.lag;
    return lag;
  }

  // LinkOwner: links tell of themselves.

  ready(link: PushLink): void {
    const runtime = this.#runtimeOf(link);
    if (runtime === undefined) return;
    link.state = 'ready';
    runtime.ready.add(link);
    this.#pump(runtime);
  }

  gone(link: PushLink): void {
    const runtime = this.#runtimeOf(link);
    link.stop();
    runtime?.links.delete(link.partition.number);
    runtime?.ready.delete(link);
  }

  newRetry(link: PushLink): Deadline {
    return this.#deadlines.create(() => {
      link.nextAttemptAt = undefined;
      this.#next(link);
    });
  }

  #open(push: Push): void {
    if (this.#stopped) return;
    this.#runtimes.set(push.id, { push, links: new Map(), ready: new Set(), inFlight: 0, limitTold: false });
    this.#scanTopics();
  }

  #close(id: string): void {
    const runtime = this.#runtimes.get(id);
    this.#runtimes.delete(id);
    for (const link of runtime?.links.values() ?? []) link.stop();
    runtime?.ready.clear();
  }

  #resume(push: Push): void {
    const runtime = this.#runtimes.get(push.id);
    for (const link of runtime?.links.values() ?? []) {
      if (link.state !== 'waiting') continue;
      link.forgetFailures();
      this.#next(link);
    }
    if (runtime !== undefined) this.#pump(runtime);
  }

  #scanTopics(): void {
    if (this.#stopped) return;
    this.#scannedVersion = this.#options.topicsVersion();
    for (const topic of this.#options.topics.list()) {
      for (const runtime of this.#runtimes.values()) {
        if (runtime.push.matches(topic.name)) this.#link(runtime, topic);
      }
    }
  }

  #link(runtime: Runtime, topic: Topic): void {
    for (const partition of topic.partitions) {
      if (runtime.links.has(partition.number)) continue;
      if (runtime.links.size >= MAX_LINKS) {
        this.#tellLimit(runtime);
        return;
      }
      const link = new PushLink(runtime.push, topic, partition, this);
      runtime.links.set(partition.number, link);
      link.advanced();
    }
  }

  #tellLimit(runtime: Runtime): void {
    if (runtime.limitTold) return;
    runtime.limitTold = true;
    this.#options.logger.error(
      `Push ${runtime.push.id} has ${MAX_LINKS} partitions, which is the limit: more are left out.`,
    );
  }

  #ends(config: PushConfig): PlacedCursor[] {
    const { topics } = this.#options;
    const cursors: PlacedCursor[] = [];
    const draft = new Push(config, 0);
    for (const { id, name, partitions } of topics.list()) {
      if (!draft.matches(name)) continue;
      for (const { index, endOffset } of partitions) {
        if (cursors.length >= MAX_LINKS) throw limit(`${MAX_LINKS} partitions of one push`, MAX_LINKS);
        cursors.push({ topicId: id, partition: index, ackedOffset: endOffset, skippedTo: 0 });
      }
    }
    return cursors;
  }

  /** Each time another push is the last, so that none takes all there is. */
  #pumpAll(): void {
    const runtimes = [...this.#runtimes.values()];
    for (const runtime of runtimes) this.#pump(runtime);
    const [first] = runtimes;
    if (first === undefined) return;
    this.#runtimes.delete(first.push.id);
    this.#runtimes.set(first.push.id, first);
  }

  #pump(runtime: Runtime): void {
    const { push, ready } = runtime;
    for (const link of ready) {
      if (this.#sender === undefined || push.paused || this.#stopped) return;
      if (runtime.inFlight >= push.config.concurrency || this.#inFlight >= MAX_IN_FLIGHT) return;
      ready.delete(link);
      if (link.hasPending) void this.#deliver(runtime, link, this.#sender);
      else link.state = 'idle';
    }
  }

  async #deliver(runtime: Runtime, link: PushLink, sender: PushSender): Promise<void> {
    link.state = 'delivering';
    runtime.inFlight += 1;
    this.#inFlight += 1;
    const { config } = link.push;
    try {
      // Outside of the call that published.
      await setImmediate();
      this.counters.deliveries += 1;
      const fromOffset = link.ackedOffset;
      const outcome = await sender.deliver({
        config,
        topic: link.topic,
        partition: link.partition,
        fromOffset,
        readOffset: link.readOffset,
        // One by one where one may be given up, so that it is the right one.
        maxRecords: link.failures > 0 && config.maxAttempts > 0 ? 1 : config.maxRecords,
        attempt: link.failures + 1,
      });
      if (this.#isCurrent(link)) await this.#settle(link, fromOffset, outcome);
    } catch (error) {
      if (this.#isCurrent(link)) this.#failed(link, String(error));
    } finally {
      runtime.inFlight -= 1;
      this.#inFlight -= 1;
    }
    if (link.state === 'delivering') this.#next(link);
    // Others may have waited for the limit that all share.
    if (this.#inFlight === MAX_IN_FLIGHT - 1) this.#pumpAll();
    else this.#pump(runtime);
  }

  /** Ready again where there is more, else idle. */
  #next(link: PushLink): void {
    link.state = 'idle';
    if (this.#isCurrent(link)) link.advanced();
  }

  async #settle(link: PushLink, fromOffset: number, outcome: PushOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'accepted':
        await this.#move(link, outcome.offset);
        this.counters.records += outcome.recordCount;
        link.forgetFailures();
        return;
      case 'rewound':
        await this.#rewind(link, fromOffset, outcome.offset);
        return;
      case 'empty':
        link.passedTo = outcome.nextOffset;
        return;
      case 'failed':
        if (!(await this.#buried(link, outcome))) this.#failed(link, outcome.reason);
        return;
      case 'ended':
        link.state = 'ready';
        this.#runtimeOf(link)?.ready.add(link);
        return;
      default:
        outcome satisfies never;
    }
  }

  async #rewind(link: PushLink, fromOffset: number, offset: number): Promise<void> {
    const { endOffset } = link.partition;
    this.counters.rewinds += 1;
    link.rewinds += 1;
    if (offset === fromOffset) this.#failed(link, `it wants offset ${offset}, which it was sent`);
    else if (offset > endOffset) this.#failed(link, `it wants offset ${offset}, and the log ends at ${endOffset}`);
    else if (link.rewinds > MAX_REWINDS) this.#failed(link, `it wants another offset each time, now ${offset}`);
    else {
      link.passedTo = 0;
      await this.#move(link, offset);
    }
  }

  async #move(link: PushLink, ackedOffset: number): Promise<void> {
    const cursor = { topicId: link.topic.id, partition: link.partition.index, ackedOffset, skippedTo: 0 };
    await transactOnce(
      this.#options.journal,
      (commit) => {
        if (link.push.deleted || link.topic.deleted) return;
        commit.command(COMMAND.PUSH_MOVED, encodeMoved({ id: link.push.id, cursors: [cursor] }));
      },
      'admitted',
    );
  }

  #failed(link: PushLink, reason: string): void {
    const { clock, random, logger } = this.#options;
    this.counters.failures += 1;
    link.rewinds = 0;
    link.failures += 1;
    link.lastError = reason;
    if (link.failures === 1) {
      const place = `${link.topic.name}, partition ${link.partition.index}`;
      logger.info(`Push ${link.push.id} of ${place} failed and is tried again: ${reason}`);
    }
    const backoffMs = Math.min(FIRST_RETRY_MS * 2 ** (link.failures - 1), LAST_RETRY_MS);
    const delayMs = Math.round(backoffMs * (1 + JITTER * (2 * random() - 1)));
    link.retryIn(delayMs, clock.now() + delayMs);
  }

  /** After enough failures of one record: into the dead letters, and on, in one commit. @returns false: not yet, or not. */
  async #buried(link: PushLink, failure: Extract<PushOutcome, { kind: 'failed' }>): Promise<boolean> {
    const { maxAttempts, deadLetterTopic } = link.push.config;
    const { firstOffset, reason } = failure;
    if (maxAttempts === 0 || deadLetterTopic === undefined || firstOffset === undefined) return false;
    if (link.failures + 1 < maxAttempts) return false;
    const { topics, reader, journal, logger } = this.#options;
    try {
      const target = await topics.autoCreate(deadLetterTopic);
      const maxBytes = target.limits.maxBatchBytes;
      const { batch, key } = await deadLetterBatch(reader, link, firstOffset, { reason, maxBytes });
      const buried = await transactOnce(journal, (commit) => {
        if (target.deleted || target.sealed || link.push.deleted || link.topic.deleted) return false;
        const index = key === null ? 0 : partitionOfKey(key, target.partitionCount);
        const partition = target.partition(index);
        if (partition === undefined) return false;
        stampBatch(batch, 0, partition.endOffset, LEADER_EPOCH);
        commit.batches(partition.number, partition.endOffset, lastOffsetDelta(batch, 0) + 1, batch);
        const place = { topicId: link.topic.id, partition: link.partition.index, ackedOffset: link.ackedOffset };
        const cursors = [{ ...place, skippedTo: firstOffset + 1 }];
        commit.command(COMMAND.PUSH_MOVED, encodeMoved({ id: link.push.id, cursors }));
        return true;
      });
      if (!buried) return false;
    } catch (error) {
      logger.error(`Push ${link.push.id} cannot write to its dead letters, ${deadLetterTopic}: ${String(error)}`);
      return false;
    }
    this.counters.failures += 1;
    this.counters.deadLetters += 1;
    link.forgetFailures();
    return true;
  }

  #isCurrent(link: PushLink): boolean {
    return !this.#stopped && this.#runtimeOf(link)?.links.get(link.partition.number) === link;
  }

  #runtimeOf({ push }: PushLink): Runtime | undefined {
    return this.#runtimes.get(push.id);
  }
}

function notFound(id: string): MillraceError {
  const shown = id.length > 100 ? `${id.slice(0, 100)}...` : id;
  return new MillraceError(
    'BROKER_PUSH_NOT_FOUND',
    `There is no push ${JSON.stringify(shown)}. GET /v1/push lists those that are.`,
    { details: { push: shown } },
  );
}

function limit(what: string, max: number): MillraceError {
  return new MillraceError('BROKER_LIMIT_REACHED', `The limit of ${what} is reached.`, { details: { max } });
}
