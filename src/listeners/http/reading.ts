/**
 * One read that is being answered, and what all of them share. A reading ends early in two ways: its client is gone, or
 * the listener stops; whatever it waits for then lets go at once.
 */
import type { ServerResponse } from 'node:http';
import type { Timer } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import { cancelFetch, type FetchItem, type FetchRequest } from '../../broker/fetch.ts';
import { ByteBudget } from './byte-budget.ts';
import type { HttpCounters } from './counters.ts';
import type { HttpSettings } from './settings.ts';
import { SharedPieces } from './shared-pieces.ts';

export type EndReason = 'gone' | 'stopping';

export class Reading {
  ended: EndReason | undefined;
  /** Whose quota it counts for by itself (quota.ts); undefined: its request is counted by its answer. */
  readonly quotaClient: string | undefined;
  /** Lets go of what is being waited for; set by whoever waits, for as long as it waits. */
  #letGo: (() => void) | undefined;

  constructor(quotaClient: string | undefined) {
    this.quotaClient = quotaClient;
  }

  end(reason: EndReason): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.#release();
  }

  /** Waits until `start`'s callback is called; `cancel` undoes it when the reading ends first, or has already. */
  wait<T>(start: (done: (value: T) => void) => void, cancel: () => void): Promise<T | undefined> {
    if (this.ended !== undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      let settled = false;
      this.#letGo = () => {
        if (settled) return;
        settled = true;
        cancel();
        resolve(undefined);
      };
      start((value) => {
        if (settled) return;
        settled = true;
        this.#letGo = undefined;
        resolve(value);
      });
    });
  }

  #release(): void {
    const letGo = this.#letGo;
    this.#letGo = undefined;
    letGo?.();
  }
}

/** What a reading is for; `close` ends it. */
export interface ReadingOwner {
  once(event: 'close', listener: () => void): unknown;
}

export class ReadingRoom {
  readonly broker: Broker;
  readonly settings: HttpSettings;
  readonly counters: HttpCounters;
  /** Answers made and not yet taken by their sockets. */
  readonly budget: ByteBudget;
  /** What followers at the same place get. */
  readonly pieces = new SharedPieces();
  readonly #readings = new Set<Reading>();
  #stopping = false;

  constructor(broker: Broker, settings: HttpSettings, counters: HttpCounters) {
    this.broker = broker;
    this.settings = settings;
    this.counters = counters;
    this.budget = new ByteBudget(settings.maxAnswersBytes);
  }

  /**
   * @param owner the reading ends with it: a response, or a subscription of a WebSocket.
   * @param waits whether it may wait for records: those are limited in number.
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
    const reading = new Reading(quotaClient);
    this.#readings.add(reading);
    if (waits) this.counters.readers += 1;
    owner.once('close', () => {
      reading.end('gone');
      this.#readings.delete(reading);
      if (waits) this.counters.readers -= 1;
    });
    return reading;
  }

  /** Ends every wait. What was read is still answered. */
  stop(): void {
    this.#stopping = true;
    for (const reading of this.#readings) reading.end('stopping');
  }

  /** @returns the settled request, to be released by the caller; undefined when the reading ended first. */
  fetch(reading: Reading, items: FetchItem[], maxBytes: number, waitMs: number): Promise<FetchRequest | undefined> {
    let request: FetchRequest | undefined;
    return reading.wait<FetchRequest>(
      (done) => {
        const fresh: FetchRequest = {
          minBytes: waitMs > 0 ? 1 : 0,
          maxBytes,
          maxWaitMs: waitMs,
          readCommitted: true,
          items,
          settled: () => done(fresh),
        };
        request = fresh;
        this.broker.fetch(fresh);
      },
      () => request !== undefined && cancelFetch(request),
    );
  }

  /** Takes bytes of the budget, in line. @returns false when the reading ended first; nothing is taken then. */
  async take(reading: Reading, bytes: number): Promise<boolean> {
    if (this.budget.tryTake(bytes)) return true;
    let leave: (() => void) | undefined;
    const granted = await reading.wait<true>(
      (done) => {
        const ticket = this.budget.take(bytes, () => done(true));
        leave = () => ticket.cancel();
      },
      () => leave?.(),
    );
    return granted === true;
  }

  /** Takes note of what a reader that does not end was sent. */
  charge({ quotaClient }: Reading, bytes: number): void {
    if (quotaClient !== undefined) this.broker.quotas.use('consumer', quotaClient, bytes);
  }

  /**
   * Waits until the reader's client owes nothing for what it was sent.
   * @param say called between two waits, where it takes long.
   */
  async payOff(reading: Reading, say: () => void = () => {}): Promise<void> {
    const { quotas, clock } = this.broker;
    const { quotaClient } = reading;
    if (quotaClient === undefined) return;
    for (let waits = 0; reading.ended === undefined; waits++) {
      const waitMs = quotas.waitOf('consumer', quotaClient);
      if (waitMs === 0) return;
      if (waits > 0) say();
      let timer: Timer | undefined;
      await reading.wait<true>(
        (done) => {
          timer = clock.schedule(Math.min(waitMs, this.settings.heartbeatMs), () => done(true));
        },
        () => timer?.cancel(),
      );
    }
  }

  /** From now on the socket is destroyed when it takes nothing for `stallTimeoutMs`; node ends the watch with the answer. */
  watchStall(response: ServerResponse): void {
    response.socket?.setTimeout(this.settings.stallTimeoutMs);
  }

  /**
   * Waits until the response's socket has taken what was written. A socket that takes nothing for `stallTimeoutMs` is
   * destroyed, so that what waits for it is not held for ever.
   * @returns false when the reading is over.
   */
  async drained(reading: Reading, response: ServerResponse): Promise<boolean> {
    this.watchStall(response);
    let onDrain: (() => void) | undefined;
    await reading.wait<true>(
      (done) => {
        onDrain = () => done(true);
        response.once('drain', onDrain);
      },
      () => {},
    );
    if (onDrain !== undefined) response.off('drain', onDrain);
    response.socket?.setTimeout(0);
    return reading.ended === undefined;
  }
}
