/**
 * Subscriptions to streams (Durable Streams protocol, 6 and 7): durable cursors that wake a worker, by webhook or by an event
 * in a wake stream, when a linked stream has records behind its cursor.
 *
 * ```
 *  records published ─► StreamWatch ─► dirty ─► wake: one commit (generation, lease, wake event) ─► webhook call ─► done? ─► idle
 *                                  ▲                                        │ failed: retry later      │
 *                                  └──────── lease over, done, released ◄───┴──────────────────────────┘
 * ```
 * Everything that must survive is in the journal; timers and watches are made again at start. A subscription without pending
 * work costs nothing but its memory: streams are watched, not polled.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type CommitBuilder, type Journal, transactOnce } from '../../journal/journal.ts';
import { encodeBatch } from '../../model/batch-builder.ts';
import { topicPath } from '../../model/topic-name.ts';
import { type Deadline, Deadlines } from '../groups/deadlines.ts';
import { COMMAND } from '../state-part.ts';
import { ownedBatch } from '../streams/owned-batch.ts';
import type { Stream } from '../streams/stream.ts';
import type { StreamHooks, Streams } from '../streams/streams.ts';
import type { Claim, LinkView, SubscriptionCounters, SubscriptionSpec, WakeReport, WebhookSender } from './api.ts';
import { checkThere, claimed, fenced, idle, limit, notFound } from './refusals.ts';
import { StreamLinks } from './stream-links.ts';
import { type StreamLink, StreamSubscription, type WakeState } from './stream-subscription.ts';
import { StreamWatch } from './stream-watch.ts';
import { encodeChange, encodeSubscribed, encodeUnsubscribed, type SubscriptionKeys } from './subscription-commands.ts';
import { SubscriptionSecrets } from './subscription-secrets.ts';
import type { SubscriptionsState } from './subscriptions-state.ts';
import type { WebhookJwk } from './webhook-key.ts';

export interface StreamSubscriptionsOptions {
  readonly journal: Journal;
  readonly state: SubscriptionsState;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Unpredictable. */
  readonly newWakeId: () => string;
  readonly newKeys: () => SubscriptionKeys;
}

const MAX_SUBSCRIPTIONS = 10_000;
/** Streams of one subscription; each is some 200 bytes here and in every checkpoint. */
const MAX_LINKS = 100_000;
/** Streams named in one wake or claim, pending ones first, so that a call stays a few hundred kilobytes. */
const MAX_STREAMS_PER_WAKE = 1_000;
const MAX_CALL_MS = 30_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const JITTER = 0.2;

/** What a subscription has besides its folded state. */
interface Runtime {
  /** Streams that may have pending work; all that have are in it. */
  readonly candidates: Set<string>;
  readonly lease: Deadline;
  readonly retry: Deadline;
  busy: boolean;
}

export class StreamSubscriptions implements StreamHooks {
  readonly counters: SubscriptionCounters = {
    wakes: 0,
    webhookCalls: 0,
    webhookFailures: 0,
    acks: 0,
    leasesExpired: 0,
  };
  readonly #options: StreamSubscriptionsOptions;
  readonly #deadlines: Deadlines;
  readonly #links: StreamLinks;
  readonly #secrets: SubscriptionSecrets;
  readonly #runtimes = new Map<StreamSubscription, Runtime>();
  readonly #watches = new Map<Stream, StreamWatch>();
  readonly #dirty = new Set<StreamSubscription>();
  #sender: WebhookSender | undefined;
  #draining = false;
  #stopped = false;

  constructor(options: StreamSubscriptionsOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
    this.#links = new StreamLinks(options.streams);
    this.#secrets = new SubscriptionSecrets(options);
  }

  get size(): number {
    return this.#options.state.size;
  }

  /** Takes up where the journal says that each subscription stands. */
  start(): void {
    for (const subscription of this.#options.state.list()) {
      for (const { name } of subscription.links.values()) {
        this.#runtime(subscription).candidates.add(name);
        this.#watchName(name);
      }
      this.#armLease(subscription);
      this.#armRetry(subscription);
      this.#mark(subscription);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#deadlines.stop();
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  /** Webhooks are called from now on. A listener that goes away gives `undefined`. */
  attach(sender: WebhookSender | undefined): void {
    this.#sender = sender;
  }

  /** Public keys that receivers verify signatures with. Makes one where there is none. */
  async keys(): Promise<readonly WebhookJwk[]> {
    return [(await this.#secrets.webhookKey()).jwk];
  }

  /** Value of `Webhook-Signature`, for who calls out besides subscriptions. */
  async sign(body: string): Promise<string> {
    return (await this.#secrets.webhookKey()).signature(body, this.#options.clock.now());
  }

  /** @throws BROKER_SUBSCRIPTION_NOT_FOUND. */
  get(id: string): StreamSubscription {
    const subscription = this.#options.state.find(id);
    if (subscription === undefined) throw notFound(id);
    return subscription;
  }

  /**
   * Creates the subscription, or finds it with the same configuration. Existing streams are linked where they end.
   *
   * @throws BROKER_SUBSCRIPTION_EXISTS, BROKER_LIMIT_REACHED, MODEL_TOPIC_PATTERN_INVALID.
   */
  async create(spec: SubscriptionSpec): Promise<{ subscription: StreamSubscription; created: boolean }> {
    const { state, clock, journal } = this.#options;
    await this.#secrets.webhookKey();
    const { streams, ...rest } = spec;
    const config = { ...rest, createdAt: clock.now(), configHash: hashOf(spec) };
    // Compiled first: a pattern that is none must not reach the journal.
    const draft = new StreamSubscription(config);
    const created = await transactOnce(journal, (commit) => {
      const known = state.find(spec.id);
      if (known !== undefined) {
        if (known.config.configHash === config.configHash) return false;
        throw new MillraceError(
          'BROKER_SUBSCRIPTION_EXISTS',
          `Subscription ${JSON.stringify(spec.id)} exists with another configuration. Delete it, or use another id.`,
          { details: { subscription: spec.id } },
        );
      }
      if (state.size >= MAX_SUBSCRIPTIONS) throw limit(`${MAX_SUBSCRIPTIONS} subscriptions`, MAX_SUBSCRIPTIONS);
      const links = this.#links.first(draft, streams);
      if (links.length > MAX_LINKS) throw limit(`${MAX_LINKS} streams of one subscription`, MAX_LINKS);
      commit.command(COMMAND.SUBSCRIPTION_CREATED, encodeSubscribed(config, links));
      return true;
    });
    const subscription = this.get(spec.id);
    if (created) for (const name of subscription.links.keys()) this.#watchName(name);
    return { subscription, created };
  }

  /** Idempotent. What is in flight for it is refused from now on. */
  async delete(id: string): Promise<void> {
    const { state, journal } = this.#options;
    const subscription = state.find(id);
    await transactOnce(journal, (commit) => {
      if (state.find(id) !== undefined) commit.command(COMMAND.SUBSCRIPTION_DELETED, encodeUnsubscribed(id));
    });
    if (subscription === undefined) return;
    const runtime = this.#runtimes.get(subscription);
    runtime?.lease.cancel();
    runtime?.retry.cancel();
    this.#runtimes.delete(subscription);
  }

  /** Links streams by name, where they end now. Those linked already stay as they are. @throws BROKER_SUBSCRIPTION_NOT_FOUND. */
  async addStreams(id: string, names: readonly string[]): Promise<void> {
    await transactOnce(this.#options.journal, (commit) => {
      const subscription = this.get(id);
      const links = [...new Set(names)].map((name): StreamLink => {
        const known = subscription.links.get(name);
        const ackedOffset = known?.ackedOffset ?? this.#links.tailOf(name);
        return { name, byGlob: known?.byGlob === true, byName: true, ackedOffset };
      });
      if (subscription.links.size + links.length > MAX_LINKS) throw limit(`${MAX_LINKS} streams`, MAX_LINKS);
      this.#stageChange(commit, subscription, { links });
    });
    for (const name of names) this.#watchName(name);
  }

  /** Removes a link by name; one by glob stays. Idempotent. @throws BROKER_SUBSCRIPTION_NOT_FOUND. */
  async removeStream(id: string, name: string): Promise<void> {
    await transactOnce(this.#options.journal, (commit) => {
      const subscription = this.get(id);
      const link = subscription.links.get(name);
      if (link?.byName !== true) return;
      if (link.byGlob) this.#stageChange(commit, subscription, { links: [{ ...link, byName: false }] });
      else this.#stageChange(commit, subscription, { unlinked: [name] });
    });
  }

  /** Its streams as they stand. */
  view(subscription: StreamSubscription): LinkView[] {
    return this.#links.view(subscription);
  }

  /**
   * A worker takes a pull-wake subscription; it holds it for a lease.
   *
   * @throws BROKER_SUBSCRIPTION_NOT_FOUND, BROKER_REQUEST_INVALID (a webhook one), BROKER_SUBSCRIPTION_CLAIMED,
   *   BROKER_SUBSCRIPTION_IDLE (nothing is pending).
   */
  async claim(id: string, worker: string): Promise<Claim> {
    const { journal, clock } = this.#options;
    const now = clock.now();
    const freshId = this.#options.newWakeId();
    const subscription = this.#ofType(id, 'pull-wake');
    await transactOnce(journal, (commit) => {
      checkThere(subscription);
      const { wake, config } = subscription;
      if (wake.holder !== undefined) throw claimed(subscription);
      if (this.#firstPending(subscription) === undefined) throw idle(subscription);
      const woken = wake.wakeId === undefined ? { ...wake, generation: wake.generation + 1, wakeId: freshId } : wake;
      this.#stageChange(commit, subscription, {
        wake: { ...woken, holder: worker, leaseUntil: now + config.leaseTtlMs },
      });
    });
    this.#armLease(subscription);
    const { wakeId = freshId, generation } = subscription.wake;
    const streams = this.#links.view(subscription, MAX_STREAMS_PER_WAKE);
    const { leaseTtlMs } = subscription.config;
    return { wakeId, generation, token: await this.#secrets.token(subscription, generation), streams, leaseTtlMs };
  }

  /**
   * Moves cursors, and ends the wake or extends its lease.
   *
   * @param type which subscriptions this way of reporting is for; undefined: any.
   * @returns whether there was more work, so that a new wake was made.
   * @throws HTTP_TOKEN_INVALID, HTTP_TOKEN_EXPIRED, BROKER_SUBSCRIPTION_FENCED, BROKER_SUBSCRIPTION_OFFSET_INVALID.
   */
  async report(id: string, type: StreamSubscription['config']['type'], report: WakeReport): Promise<boolean> {
    const { journal, clock } = this.#options;
    const subscription = this.#ofType(id, type);
    const now = clock.now();
    const generation = await this.#secrets.checkToken(subscription, report.token, now);
    await transactOnce(journal, (commit) => {
      checkThere(subscription);
      const { wake } = subscription;
      const isCurrent =
        generation === wake.generation && report.generation === wake.generation && report.wakeId === wake.wakeId;
      if (!isCurrent || (type === 'pull-wake' && wake.holder === undefined)) throw fenced(subscription);
      const links = report.acks.map((ack) => this.#links.acked(subscription, ack));
      const next: WakeState = report.done
        ? released(wake)
        : { ...wake, leaseUntil: now + subscription.config.leaseTtlMs };
      this.#stageChange(commit, subscription, { wake: next, links });
    });
    this.counters.acks += report.acks.length;
    this.#armLease(subscription);
    this.#armRetry(subscription);
    return report.done && (await this.#wakeIfPending(subscription));
  }

  // StreamHooks: streams tell of themselves.

  stageCreated(commit: CommitBuilder, { topic: { name } }: Stream): void {
    for (const subscription of this.#options.state.list()) {
      if (!subscription.matches(name)) continue;
      const known = subscription.links.get(name);
      if (known?.byGlob === true || subscription.links.size >= MAX_LINKS) continue;
      const link = { name, byGlob: true, byName: known?.byName === true, ackedOffset: known?.ackedOffset ?? 0 };
      this.#stageChange(commit, subscription, { links: [link] });
    }
  }

  created(stream: Stream): void {
    const { name } = stream.topic;
    this.#watchName(name);
    this.#advanced(name);
  }

  #advanced(name: string): void {
    for (const subscription of this.#options.state.linkedTo(name)) {
      this.#runtime(subscription).candidates.add(name);
      this.#mark(subscription);
    }
  }

  #mark(subscription: StreamSubscription): void {
    this.#dirty.add(subscription);
    if (this.#draining) return;
    this.#draining = true;
    void this.#drain();
  }

  /** Outside of the call that published, and once for all that was published in this turn. */
  async #drain(): Promise<void> {
    await setImmediate();
    this.#draining = false;
    const batch = [...this.#dirty];
    this.#dirty.clear();
    await Promise.all(batch.map((subscription) => this.#wakeIfPending(subscription)));
  }

  /** @returns whether a wake was made. */
  async #wakeIfPending(subscription: StreamSubscription): Promise<boolean> {
    const runtime = this.#runtime(subscription);
    if (this.#stopped || subscription.deleted || runtime.busy) return false;
    if (subscription.wake.wakeId !== undefined || this.#firstPending(subscription) === undefined) return false;
    runtime.busy = true;
    try {
      return await this.#wake(subscription);
    } catch (error) {
      if (!this.#stopped)
        this.#options.logger.error(`Subscription ${subscription.id} cannot be woken: ${String(error)}`);
      return false;
    } finally {
      runtime.busy = false;
    }
  }

  async #wake(subscription: StreamSubscription): Promise<boolean> {
    const { journal, clock } = this.#options;
    const now = clock.now();
    const wakeId = this.#options.newWakeId();
    const isWebhook = subscription.config.type === 'webhook';
    const woken = await transactOnce(journal, (commit) => {
      const name = this.#firstPending(subscription);
      const { wake, config } = subscription;
      if (subscription.deleted || wake.wakeId !== undefined || name === undefined) return false;
      const generation = wake.generation + 1;
      const leaseUntil = isWebhook ? now + config.leaseTtlMs : 0;
      this.#stageChange(commit, subscription, { wake: { ...released(wake), generation, wakeId, leaseUntil } });
      if (!isWebhook) this.#stageWakeEvent(commit, subscription, name, generation, now);
      return true;
    });
    if (!woken) return false;
    this.counters.wakes += 1;
    if (isWebhook) {
      this.#armLease(subscription);
      void this.#call(subscription);
    }
    return true;
  }

  #stageWakeEvent(
    commit: CommitBuilder,
    subscription: StreamSubscription,
    name: string,
    generation: number,
    now: number,
  ): void {
    const { wakeStream } = subscription.config;
    const stream = wakeStream === undefined ? undefined : this.#options.streams.find(wakeStream);
    const event = { type: 'wake', subscription_id: subscription.id, stream: topicPath(name), generation, ts: now };
    const batch = ownedBatch(encodeBatch([{ value: JSON.stringify(event), timestamp: now }]));
    if (stream !== undefined && this.#options.streams.stageRecords(commit, stream, [batch], now)) return;
    this.#options.logger.error(
      `Subscription ${subscription.id} has no wake stream ${wakeStream ?? ''} to write to: workers can claim it, but hear of nothing.`,
    );
  }

  /** Calls the webhook of the current wake; what comes back later than the wake ends is not looked at. */
  async #call(subscription: StreamSubscription): Promise<void> {
    const sender = this.#sender;
    const { webhookUrl, baseUrl, leaseTtlMs } = subscription.config;
    const { wakeId, generation } = subscription.wake;
    if (sender === undefined || webhookUrl === undefined || wakeId === undefined || this.#stopped) return;
    const isCurrent = (): boolean => !this.#stopped && !subscription.deleted && subscription.wake.wakeId === wakeId;
    try {
      const token = await this.#secrets.token(subscription, generation);
      const key = await this.#secrets.webhookKey();
      if (!isCurrent()) return;
      const streams = this.#links.view(subscription, MAX_STREAMS_PER_WAKE);
      const body = sender.render({ subscriptionId: subscription.id, wakeId, generation, streams, baseUrl, token });
      const signature = key.signature(body, this.#options.clock.now());
      const timeoutMs = Math.min(leaseTtlMs, MAX_CALL_MS);
      this.counters.webhookCalls += 1;
      const outcome = await sender.send({ url: webhookUrl, body, signature, timeoutMs });
      if (!isCurrent()) return;
      if (!outcome.ok) await this.#callFailed(subscription, wakeId, outcome.reason ?? 'refused');
      else await this.#callTaken(subscription, wakeId, outcome.done ? streams : undefined);
    } catch (error) {
      if (isCurrent()) this.#options.logger.error(`Webhook of subscription ${subscription.id}: ${String(error)}`);
    }
  }

  /** @param finished streams whose tails in the call are processed; undefined: the receiver will call back. */
  async #callTaken(
    subscription: StreamSubscription,
    wakeId: string,
    finished: readonly LinkView[] | undefined,
  ): Promise<void> {
    const { wake } = subscription;
    if (finished === undefined && wake.retryCount === 0) return;
    await transactOnce(this.#options.journal, (commit) => {
      if (subscription.deleted || subscription.wake.wakeId !== wakeId) return;
      const cleared = { ...subscription.wake, retryCount: 0, nextAttemptAt: 0 };
      const links = (finished ?? []).flatMap(({ name, tailOffset }) => {
        const link = subscription.links.get(name);
        return link === undefined || link.ackedOffset >= tailOffset ? [] : [{ ...link, ackedOffset: tailOffset }];
      });
      this.#stageChange(commit, subscription, { wake: finished === undefined ? cleared : released(cleared), links });
    });
    this.#armLease(subscription);
    if (finished !== undefined) await this.#wakeIfPending(subscription);
  }

  async #callFailed(subscription: StreamSubscription, wakeId: string, reason: string): Promise<void> {
    const { clock, random, logger, journal } = this.#options;
    const { retryCount } = subscription.wake;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** retryCount, LAST_RETRY_MS) * (1 + JITTER * (2 * random() - 1));
    const nextAttemptAt = clock.now() + Math.round(delayMs);
    if (retryCount === 0)
      logger.info(`The webhook of subscription ${subscription.id} failed and is tried again: ${reason}`);
    await transactOnce(journal, (commit) => {
      if (subscription.deleted || subscription.wake.wakeId !== wakeId) return;
      // No lease runs while nobody was reached; it begins anew with the next attempt.
      const wake = { ...subscription.wake, retryCount: retryCount + 1, nextAttemptAt, leaseUntil: 0 };
      this.#stageChange(commit, subscription, { wake });
    });
    this.#armLease(subscription);
    this.#armRetry(subscription);
    // Last, so that who sees the count finds the next attempt planned.
    this.counters.webhookFailures += 1;
  }

  async #retry(subscription: StreamSubscription): Promise<void> {
    const { clock, journal } = this.#options;
    const { wakeId } = subscription.wake;
    if (this.#stopped || subscription.deleted || wakeId === undefined) return;
    const leaseUntil = clock.now() + subscription.config.leaseTtlMs;
    await transactOnce(journal, (commit) => {
      if (subscription.deleted || subscription.wake.wakeId !== wakeId) return;
      this.#stageChange(commit, subscription, { wake: { ...subscription.wake, leaseUntil, nextAttemptAt: 0 } });
    });
    this.#armLease(subscription);
    await this.#call(subscription);
  }

  async #leaseOver(subscription: StreamSubscription): Promise<void> {
    const { clock, journal } = this.#options;
    const now = clock.now();
    const ended = await transactOnce(journal, (commit) => {
      const { wake } = subscription;
      if (subscription.deleted || wake.leaseUntil === 0 || wake.leaseUntil > now) return false;
      this.#stageChange(commit, subscription, { wake: { ...released(wake), retryCount: wake.retryCount } });
      return true;
    });
    if (!ended) {
      this.#armLease(subscription);
      return;
    }
    this.counters.leasesExpired += 1;
    await this.#wakeIfPending(subscription);
  }

  #armLease(subscription: StreamSubscription): void {
    const { leaseUntil } = subscription.wake;
    this.#arm(this.#runtime(subscription).lease, subscription.deleted ? 0 : leaseUntil);
  }

  #armRetry(subscription: StreamSubscription): void {
    const { nextAttemptAt } = subscription.wake;
    this.#arm(this.#runtime(subscription).retry, subscription.deleted ? 0 : nextAttemptAt);
  }

  #arm(deadline: Deadline, at: number): void {
    if (at === 0) deadline.cancel();
    else deadline.set(Math.max(0, at - this.#options.clock.now()));
  }

  #runtime(subscription: StreamSubscription): Runtime {
    let runtime = this.#runtimes.get(subscription);
    if (runtime === undefined) {
      const background = (work: () => Promise<void>) => (): void => {
        work().catch((error: unknown) => {
          if (!this.#stopped) this.#options.logger.error(`Subscription ${subscription.id}: ${String(error)}`);
        });
      };
      runtime = {
        candidates: new Set(),
        lease: this.#deadlines.create(background(() => this.#leaseOver(subscription))),
        retry: this.#deadlines.create(background(() => this.#retry(subscription))),
        busy: false,
      };
      this.#runtimes.set(subscription, runtime);
    }
    return runtime;
  }

  /** A stream with work; those that have none any more are no candidates until they move again. */
  #firstPending(subscription: StreamSubscription): string | undefined {
    const { candidates } = this.#runtime(subscription);
    for (const name of candidates) {
      const link = subscription.links.get(name);
      if (link !== undefined && this.#links.tailOf(name) > link.ackedOffset) return name;
      candidates.delete(name);
    }
    return undefined;
  }

  #stageChange(
    commit: CommitBuilder,
    { id, wake }: StreamSubscription,
    change: { wake?: WakeState; links?: readonly StreamLink[]; unlinked?: readonly string[] },
  ): void {
    const body = { id, wake: change.wake ?? wake, links: change.links ?? [], unlinked: change.unlinked ?? [] };
    commit.command(COMMAND.SUBSCRIPTION_CHANGED, encodeChange(body));
  }

  #watchName(name: string): void {
    const stream = this.#options.streams.find(name);
    if (stream === undefined || this.#watches.has(stream) || this.#stopped) return;
    if (this.#options.state.linkedTo(name).size === 0) return;
    const watch = new StreamWatch(
      stream,
      () => {
        if (this.#options.state.linkedTo(name).size > 0) this.#advanced(name);
        else this.#unwatch(stream);
      },
      () => this.#unwatch(stream),
    );
    this.#watches.set(stream, watch);
  }

  #unwatch(stream: Stream): void {
    this.#watches.get(stream)?.stop();
    this.#watches.delete(stream);
  }

  /** @throws BROKER_SUBSCRIPTION_NOT_FOUND, BROKER_REQUEST_INVALID. */
  #ofType(id: string, type: StreamSubscription['config']['type']): StreamSubscription {
    const subscription = this.get(id);
    if (subscription.config.type === type) return subscription;
    throw new MillraceError(
      'BROKER_REQUEST_INVALID',
      `Subscription ${JSON.stringify(id)} is of type ${subscription.config.type}; this is for ${type}.`,
      { details: { subscription: id } },
    );
  }
}

/** Idle again, in the same generation. */
function released(wake: WakeState): WakeState {
  return {
    generation: wake.generation,
    wakeId: undefined,
    holder: undefined,
    leaseUntil: 0,
    retryCount: 0,
    nextAttemptAt: 0,
  };
}

/** The same request gives the same hash, in whatever order it names its streams. */
function hashOf(spec: SubscriptionSpec): string {
  const { type, pattern, webhookUrl, wakeStream, leaseTtlMs, description } = spec;
  const streams = [...new Set(spec.streams)].sort();
  const normal = [
    type,
    pattern ?? null,
    streams,
    webhookUrl ?? null,
    wakeStream ?? null,
    leaseTtlMs,
    description ?? null,
  ];
  return createHash('sha256').update(JSON.stringify(normal)).digest('hex');
}
