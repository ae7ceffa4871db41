/**
 * The fetch sessions of a listener, bounded in number and bytes. A new session takes the place of the one that was used
 * longest ago, if that is long enough; else its client is told "no session" and goes on with whole requests, which is
 * what Kafka does and every client understands.
 */
import { randomInt } from 'node:crypto';
import { ENTRY_BYTES, FetchSession, SESSION_BYTES } from './fetch-session.ts';
import type { KafkaMetrics } from './metrics.ts';

export interface FetchSessionLimits {
  /** `max.incremental.fetch.session.cache.slots`. */
  readonly maxFetchSessions: number;
  /** Memory of all sessions together, approximately. */
  readonly maxFetchSessionBytes: number;
}

/** Used within this time, a session is not given up for another. Kafka's. */
export const PROTECTED_MS = 120_000;
/** Not used for this time, a session is forgotten: its client is gone. */
export const IDLE_MS = 600_000;
/** Ids are positive int32; 0 says none. */
const MAX_ID = 0x7fff_ffff;

export class FetchSessions {
  readonly #limits: FetchSessionLimits;
  readonly #metrics: KafkaMetrics;
  readonly #now: () => number;
  /** In the order of their last use. */
  readonly #sessions = new Map<number, FetchSession>();
  #bytes = 0;

  /** @param now monotonic, milliseconds. */
  constructor(limits: FetchSessionLimits, metrics: KafkaMetrics, now: () => number) {
    this.#limits = limits;
    this.#metrics = metrics;
    this.#now = now;
  }

  /** Finds a session for a request. */
  find(id: number): FetchSession | undefined {
    return this.#sessions.get(id);
  }

  /** A new session for so many partitions; undefined where there is no room for it. */
  create(entryCount: number, byId: boolean): FetchSession | undefined {
    const { maxFetchSessions, maxFetchSessionBytes } = this.#limits;
    const needed = SESSION_BYTES + entryCount * ENTRY_BYTES;
    if (needed > maxFetchSessionBytes || maxFetchSessions < 1) return undefined;
    while (this.#sessions.size >= maxFetchSessions || this.#bytes + needed > maxFetchSessionBytes) {
      if (!this.#evictOne()) return undefined;
    }
    let id: number;
    do {
      // By chance, and not by count: a client of before a restart must not hit upon the session of another.
      id = randomInt(1, MAX_ID);
    } while (this.#sessions.has(id));
    const session = new FetchSession(id, byId, this.#now());
    this.#sessions.set(id, session);
    this.#metrics.fetchSessionsCreated += 1;
    this.changed(session, 0);
    return session;
  }

  /** After a request: it is the one used last, and its size may be another. @param bytesBefore 0 for a new one. */
  changed(session: FetchSession, bytesBefore: number): void {
    if (this.#sessions.get(session.id) !== session) return;
    session.usedAt = this.#now();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    this.#bytes += session.sizeBytes - bytesBefore;
    this.#publish();
    // Grown beyond the bound: others make room, or it goes itself and its client starts anew.
    while (this.#bytes > this.#limits.maxFetchSessionBytes && this.#evictOne());
    if (this.#bytes > this.#limits.maxFetchSessionBytes) this.close(session.id);
  }

  /** Ends a session, if there is one of this id. */
  close(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#bytes -= session.sizeBytes;
    session.close();
    this.#publish();
  }

  /** Ends sessions that nobody has used for long. */
  expire(): void {
    const before = this.#now() - IDLE_MS;
    for (const { id, usedAt } of this.#sessions.values()) {
      if (usedAt > before) return;
      this.close(id);
    }
  }

  closeAll(): void {
    for (const id of [...this.#sessions.keys()]) this.close(id);
  }

  #evictOne(): boolean {
    const [oldest] = this.#sessions.values();
    if (oldest === undefined || this.#now() - oldest.usedAt <= PROTECTED_MS) return false;
    this.close(oldest.id);
    this.#metrics.fetchSessionsEvicted += 1;
    return true;
  }

  #publish(): void {
    this.#metrics.fetchSessions = this.#sessions.size;
    this.#metrics.fetchSessionBytes = this.#bytes;
  }
}
