/**
 * One read that is being answered, and what all of them share. A reading ends early in two ways: its client is gone, or
 * the listener stops; whatever it waits for then lets go at once.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import { cancelFetch, type FetchItem, type FetchOperation, type FetchRequest } from '../../broker/fetch.ts';
import { ByteBudget } from './byte-budget.ts';
import type { HttpCounters } from './counters.ts';
import { Heartbeats } from './heartbeats.ts';
import type { HttpSettings } from './settings.ts';
import { SharedPieces } from './shared-pieces.ts';

export type EndReason = 'gone' | 'stopping';

/** What a reading waits for. Thousands wait at once, so it is an object and not a set of closures. */
export interface WaitTarget<T> {
  /** To call `done` or `fail` of the wait once, perhaps at once. */
  start(wait: Wait<T>): void;
  /** The reading ended first. */
  cancel(): void;
}

/** A wait under way. What is called second is without effect. */
export class Wait<T> {
  readonly #reading: Reading;
  readonly #target: WaitTarget<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: Error) => void;
  readonly #ended: T;

  constructor(
    reading: Reading,
    target: WaitTarget<T>,
    end: { readonly ended: T; readonly resolve: (value: T) => void; readonly reject: (error: Error) => void },
  ) {
    this.#reading = reading;
    this.#target = target;
    this.#ended = end.ended;
    this.#resolve = end.resolve;
    this.#reject = end.reject;
  }

  done(value: T): void {
    if (this.#reading.leave(this)) this.#resolve(value);
  }

  fail(error: Error): void {
    if (this.#reading.leave(this)) this.#reject(error);
  }

  /** For the reading, which has let go of it. */
  endEarly(): void {
    this.#target.cancel();
    this.#resolve(this.#ended);
  }
}

export class Reading {
  ended: EndReason | undefined;
  /** Whether it may wait for records: those are limited in number. */
  readonly waits: boolean;
  /** Whose quota it counts for by itself (quota.ts); undefined: its request is counted by its answer. */
  readonly quotaClient: string | undefined;
  #wait: { endEarly(): void } | undefined;

  constructor(waits: boolean, quotaClient: string | undefined) {
    this.waits = waits;
    this.quotaClient = quotaClient;
  }

  end(reason: EndReason): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.endEarly();
  }

  /**
   * Waits for one thing at a time.
   *
   * @param ended what it resolves to when the reading ends first, or has already.
   * @throws what the target fails with.
   */
  wait<T>(target: WaitTarget<T>, ended: T): Promise<T> {
    if (this.ended !== undefined) return Promise.resolve(ended);
    return new Promise((resolve, reject) => {
      const wait = new Wait(this, target, { ended, resolve, reject });
      this.#wait = wait;
      target.start(wait);
    });
  }

  /** For the wait. @returns false where it is over already. */
  leave(wait: { endEarly(): void }): boolean {
    if (this.#wait !== wait) return false;
    this.#wait = undefined;
    return true;
  }
}

/** What a reading is for; `close` ends it. */
export interface ReadingOwner {
  /** Calls the listener with itself as `this`. */
  on(event: 'close', listener: (this: ReadingOwner) => void): unknown;
}

/** A fetch that a reading waits for, however long. */
class AwaitedFetch implements FetchRequest, WaitTarget<FetchRequest | undefined> {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly readCommitted = true;
  readonly items: readonly FetchItem[];
  operation: FetchOperation | undefined;
  readonly #broker: Broker;
  #wait: Wait<FetchRequest | undefined> | undefined;

  constructor(
    broker: Broker,
    items: readonly FetchItem[],
    { maxBytes, waitMs }: { readonly maxBytes: number; readonly waitMs: number },
  ) {
    this.#broker = broker;
    this.items = items;
    this.maxBytes = maxBytes;
    this.maxWaitMs = waitMs;
    this.minBytes = waitMs > 0 ? 1 : 0;
  }

  start(wait: Wait<FetchRequest | undefined>): void {
    this.#wait = wait;
    this.#broker.fetch(this);
  }

  settled(): void {
    this.#wait?.done(this);
  }

  cancel(): void {
    cancelFetch(this);
  }
}

/** Time that passes. */
class Pause implements WaitTarget<void> {
  readonly #clock: Clock;
  readonly #waitMs: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  start(wait: Wait<void>): void {
    this.#timer = this.#clock.schedule(this.#waitMs, () => wait.done());
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

export class ReadingRoom {
  readonly broker: Broker;
  readonly settings: HttpSettings;
  readonly counters: HttpCounters;
  /** Answers made and not yet taken by their sockets. */
  readonly budget: ByteBudget;
  /** What followers at the same place get. */
  readonly pieces = new SharedPieces();
  /** Of followers. */
  readonly heartbeats: Heartbeats;
  readonly #readings = new Map<ReadingOwner, Reading>();
  /** One function for all: thousands of followers would each keep theirs. */
  readonly #onClose: (this: ReadingOwner) => void;
  #stopping = false;

  constructor(broker: Broker, settings: HttpSettings, counters: HttpCounters) {
    this.broker = broker;
    this.settings = settings;
    this.counters = counters;
    this.budget = new ByteBudget(settings.maxAnswersBytes);
    this.heartbeats = new Heartbeats(broker.clock, settings.heartbeatMs);
    const leave = (owner: ReadingOwner): void => this.#leave(owner);
    this.#onClose = function (): void {
      leave(this);
    };
  }

  /**
   * @param owner has this one reading, which ends with it: a response, or a subscription of a WebSocket.
   * @param waits see Reading.
   * @param quotaClient of readers that do not end.
   * @throws HTTP_TOO_MANY_READERS, HTTP_STOPPING.
   */
  enter(owner: ReadingOwner, waits: boolean, quotaClient?: string): Reading {
    const { maxReaders } = this.settings;
    if (this.#stopping) throw new MillraceError('HTTP_STOPPING', 'The broker is stopping.');
    if (waits && this.counters.readers >= maxReaders) {
      throw new MillraceError(
        'HTTP_TOO_MANY_READERS',
        `${maxReaders} long polls and follows wait already, which is the limit. Try again later.`,
        { details: { maxReaders } },
      );
    }
    const reading = new Reading(waits, quotaClient);
    this.#readings.set(owner, reading);
    if (waits) this.counters.readers += 1;
    // Not `once`, which makes three objects more for each of thousands; a feed may close twice.
    owner.on('close', this.#onClose);
    return reading;
  }

  #leave(owner: ReadingOwner): void {
    const reading = this.#readings.get(owner);
    if (reading === undefined) return;
    this.#readings.delete(owner);
    reading.end('gone');
    if (reading.waits) this.counters.readers -= 1;
  }

  /** Ends every wait. What was read is still answered. */
  stop(): void {
    this.#stopping = true;
    for (const reading of this.#readings.values()) reading.end('stopping');
  }

  /** @returns the settled request, to be released by the caller; undefined when the reading ended first. */
  fetch(reading: Reading, items: FetchItem[], maxBytes: number, waitMs: number): Promise<FetchRequest | undefined> {
    return reading.wait<FetchRequest | undefined>(
      new AwaitedFetch(this.broker, items, { maxBytes, waitMs }),
      undefined,
    );
  }

  /** Takes bytes of the budget, in line. @returns false when the reading ended first; nothing is taken then. */
  async take(reading: Reading, bytes: number): Promise<boolean> {
    if (this.budget.tryTake(bytes)) return true;
    let leave: (() => void) | undefined;
    const target: WaitTarget<boolean> = {
      start: (wait) => {
        const ticket = this.budget.take(bytes, () => wait.done(true));
        leave = () => ticket.cancel();
      },
      cancel: () => leave?.(),
    };
    return await reading.wait(target, false);
  }

  /** Takes note of what a reader that does not end was sent. */
  charge({ quotaClient }: Reading, bytes: number): void {
    if (quotaClient !== undefined) this.broker.quotas.use('consumer', quotaClient, bytes);
  }

  /** Whether the reader's client has to wait for what it was sent (`payOff`). */
  owes({ quotaClient }: Reading): boolean {
    return quotaClient !== undefined && this.broker.quotas.waitOf('consumer', quotaClient) > 0;
  }

  /** Waits until the reader's client owes nothing for what it was sent. */
  async payOff(reading: Reading): Promise<void> {
    const { quotas, clock } = this.broker;
    const { quotaClient } = reading;
    if (quotaClient === undefined) return;
    while (reading.ended === undefined) {
      const waitMs = quotas.waitOf('consumer', quotaClient);
      if (waitMs === 0) return;
      await reading.wait(new Pause(clock, waitMs), undefined);
    }
  }

  /** Waits so long, where that is any time. */
  async pause(reading: Reading, waitMs: number): Promise<void> {
    if (waitMs > 0) await reading.wait(new Pause(this.broker.clock, waitMs), undefined);
  }

  /** From now on the socket is destroyed when it takes nothing for `stallTimeoutMs`; node ends the watch with the answer. */
  watchStall(response: ServerResponse): void {
    response.socket?.setTimeout(this.settings.stallTimeoutMs);
  }

  /**
   * Waits until the response's socket has taken what was written. A socket that takes nothing for `stallTimeoutMs` is
   * destroyed, so that what waits for it is not held for ever.
   *
   * @param taker what was written to: the response, or its socket past it.
   * @returns false when the reading is over.
   */
  async drained(
    reading: Reading,
    response: ServerResponse,
    taker: ServerResponse | Socket = response,
  ): Promise<boolean> {
    this.watchStall(response);
    let onDrain: (() => void) | undefined;
    const target: WaitTarget<void> = {
      start: (wait) => {
        onDrain = () => wait.done();
        taker.once('drain', onDrain);
      },
      cancel: () => {},
    };
    await reading.wait(target, undefined);
    if (onDrain !== undefined) taker.off('drain', onDrain);
    response.socket?.setTimeout(0);
    return reading.ended === undefined;
  }
}
