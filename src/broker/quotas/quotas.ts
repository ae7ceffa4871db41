/**
 * Quotas of clients: bytes a second that a client id may write and read, of its own or by default (KIP-13). Listeners
 * report what a client used and make it wait as long as they are told (KIP-219). A client id is what the client says:
 * quotas are for fairness among clients that mean well, not for defence.
 */
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import { ByteRate } from './byte-rate.ts';
import { type ClientQuota, type QuotaEntity, type QuotasState, quotaCommands } from './quotas-state.ts';

export type QuotaKind = 'producer' | 'consumer';

/** A new value, or null for none. What is left out stays. */
export interface QuotaChange {
  readonly producerByteRate?: number | null | undefined;
  readonly consumerByteRate?: number | null | undefined;
}

/** Longest wait at a time; a larger debt is waited for again. Shorter than clients wait for an answer. */
export const MAX_THROTTLE_MS = 30_000;
/** Client ids with quotas. */
const MAX_ENTITIES = 10_000;
/** Client ids that are measured at once; beyond, new ones share one measure. */
export const MAX_MEASURED = 20_000;
/** A longer client id is measured by its beginning. */
const MAX_ID_LENGTH = 256;
const OTHERS = '\0others';

export class Quotas {
  /** Waits told, and their milliseconds, for the metrics. */
  readonly counters = { throttles: 0, throttleMs: 0 };
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #state: QuotasState;
  #version = -1;
  readonly #rates: Record<QuotaKind, Map<string, ByteRate>> = { producer: new Map(), consumer: new Map() };

  constructor(options: { readonly journal: Journal; readonly clock: Clock; readonly state: QuotasState }) {
    this.#journal = options.journal;
    this.#clock = options.clock;
    this.#state = options.state;
  }

  /** There are quotas at all; asked before every request, so that without any nothing else is done. */
  get active(): boolean {
    return this.#state.size > 0;
  }

  list(): readonly (readonly [QuotaEntity, ClientQuota])[] {
    return [...this.#state.list()];
  }

  find(entity: QuotaEntity): ClientQuota | undefined {
    return this.#state.find(entity);
  }

  /** Bytes a second that hold for a client; undefined: no limit. */
  limitOf(kind: QuotaKind, clientId: string): number | undefined {
    const key = kind === 'producer' ? 'producerByteRate' : 'consumerByteRate';
    return this.#state.find(clientId)?.[key] ?? this.#state.find(undefined)?.[key];
  }

  /**
   * Takes note of what a client wrote or read.
   * @returns milliseconds that it shall wait; 0: none.
   */
  use(kind: QuotaKind, clientId: string, bytes: number): number {
    const waitMs = this.#count(kind, clientId, bytes);
    if (waitMs > 0) {
      this.counters.throttles += 1;
      this.counters.throttleMs += waitMs;
    }
    return waitMs;
  }

  /** Milliseconds that a client still has to wait for what it used; 0: none. Takes note of nothing. */
  waitOf(kind: QuotaKind, clientId: string): number {
    return this.#count(kind, clientId, 0);
  }

  /**
   * Changes the quota of a client id, or of all that have none (undefined); durable when it resolves.
   * @throws BROKER_CONFIG_INVALID for a rate that is not a whole number from 1, BROKER_REQUEST_INVALID for an empty or
   *   overlong client id, BROKER_LIMIT_REACHED.
   */
  async change(entity: QuotaEntity, change: QuotaChange, options: { readonly validateOnly?: boolean } = {}) {
    checkEntity(entity);
    checkRate('producer_byte_rate', change.producerByteRate);
    checkRate('consumer_byte_rate', change.consumerByteRate);
    await transactOnce(this.#journal, (commit) => {
      const before = this.#state.find(entity);
      if (before === undefined && this.#state.size >= MAX_ENTITIES) {
        throw new MillraceError('BROKER_LIMIT_REACHED', `${MAX_ENTITIES} client ids have quotas, and no more may.`, {
          details: { max: MAX_ENTITIES },
        });
      }
      if (options.validateOnly === true) return;
      const quota = {
        producerByteRate: changed(before?.producerByteRate, change.producerByteRate),
        consumerByteRate: changed(before?.consumerByteRate, change.consumerByteRate),
      };
      commit.command(COMMAND.CLIENT_QUOTA_CHANGED, quotaCommands.changed(entity, quota));
    });
  }

  #count(kind: QuotaKind, clientId: string, bytes: number): number {
    if (!this.active) return 0;
    const limit = this.limitOf(kind, clientId);
    if (limit === undefined) return 0;
    return Math.min(this.#rate(kind, clientId, limit).use(bytes, this.#clock.monotonic()), MAX_THROTTLE_MS);
  }

  #rate(kind: QuotaKind, clientId: string, limit: number): ByteRate {
    if (this.#version !== this.#state.version) this.#forgetChanged();
    const rates = this.#rates[kind];
    const id = clientId.slice(0, MAX_ID_LENGTH);
    let rate = rates.get(id);
    if (rate === undefined && rates.size >= MAX_MEASURED) {
      const now = this.#clock.monotonic();
      for (const [each, known] of rates) if (known.isIdle(now)) rates.delete(each);
      if (rates.size >= MAX_MEASURED) rate = rates.get(OTHERS);
    }
    if (rate === undefined) {
      rate = new ByteRate(limit, this.#clock.monotonic());
      rates.set(rates.size >= MAX_MEASURED ? OTHERS : id, rate);
    }
    return rate;
  }

  /** After a change of quotas: those whose limit is another now start anew. */
  #forgetChanged(): void {
    this.#version = this.#state.version;
    for (const kind of ['producer', 'consumer'] as const) {
      for (const [id, { bytesPerSecond }] of this.#rates[kind]) {
        if (this.limitOf(kind, id) !== bytesPerSecond) this.#rates[kind].delete(id);
      }
    }
  }
}

function changed(before: number | undefined, change: number | null | undefined): number | undefined {
  return change === undefined ? before : (change ?? undefined);
}

function checkEntity(entity: QuotaEntity): void {
  if (entity === undefined || (entity.length > 0 && entity.length <= MAX_ID_LENGTH)) return;
  throw new MillraceError('BROKER_REQUEST_INVALID', `A client id has 1 to ${MAX_ID_LENGTH} characters.`, {
    details: { length: entity.length, max: MAX_ID_LENGTH },
  });
}

function checkRate(name: string, rate: number | null | undefined): void {
  if (rate === null || rate === undefined || (Number.isSafeInteger(rate) && rate >= 1)) return;
  throw new MillraceError('BROKER_CONFIG_INVALID', `${name} is a whole number of bytes a second from 1, not ${rate}.`, {
    details: { setting: name, value: String(rate) },
  });
}
