/**
 * The Kafka listener: accepts connections, and keeps what they share. Protocol: kafka's, see registry.ts for what is
 * served; limits: settings.ts.
 */
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../../base/clock.ts';
import type { ConnectedClient } from '../../base/connected-client.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import type { Broker } from '../../broker/broker.ts';
import { FetchCursor } from '../../wire/fetch.ts';
import { ProduceCursor } from '../../wire/produce.ts';
import { Reader } from '../../wire/reader.ts';
import { adoptSocket } from './adopt-socket.ts';
import { Connection } from './connection.ts';
import type { ListenerContext } from './context.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { Gathering } from './gathering.ts';
import type { Endpoint } from './handler.ts';
import { LandingBudget } from './landing-budget.ts';
import { type KafkaMetrics, newMetrics } from './metrics.ts';
import { Output } from './output.ts';
import { SERVED_APIS } from './registry.ts';
import { DEFAULT_KAFKA_SETTINGS, type KafkaListenerSettings } from './settings.ts';
import { byId, byName, TopicCache } from './topic-cache.ts';

/** One address to listen on. */
export interface KafkaAddress {
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  /** Where clients of this address are told to connect. By default each is told the address that it used itself. */
  readonly advertised?: Endpoint | undefined;
}

export interface KafkaListenerOptions extends KafkaAddress {
  readonly broker: Broker;
  /** Further addresses. All share connections, limits, metrics and fetch sessions. */
  readonly others?: readonly KafkaAddress[] | undefined;
  readonly settings?: Partial<KafkaListenerSettings> | undefined;
  readonly logger?: Logger | undefined;
  /** By default the broker's. */
  readonly clock?: Clock | undefined;
}

/** Stays in the second-level cache of one core; larger ones gain nothing. */
const SLAB_BYTES = 256 * 1024;
/**
 * Elsewhere the system reads only inside the call that hands the bytes over, so one slab serves all sockets. Windows is
 * given the memory of every waiting socket beforehand, and each needs its own.
 */
const SHARES_SLAB = process.platform !== 'win32';
const OWN_SLAB_BYTES = 64 * 1024;
/** Time-outs are judged this many times within the shortest of them. */
const SWEEPS_PER_TIMEOUT = 4;
const BACKLOG = 1024;

export class KafkaListener {
  readonly metrics: KafkaMetrics = newMetrics(SERVED_APIS.map(({ key }) => key));
  readonly settings: KafkaListenerSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  readonly #context: ListenerContext;
  readonly #sweepMs: number;
  readonly #addresses: Endpoint[] = [];
  #dirty: Connection[] = [];
  #resuming: Connection[] = [];
  #congested: Connection[] = [];
  #sweepTimer: Timer | undefined;
  #stopped: Promise<void> | undefined;
  #allClosed: (() => void) | undefined;

  /**
   * Listens; resolves when clients can connect.
   * @throws what the system says about the address (EADDRINUSE, EADDRNOTAVAIL, EACCES).
   */
  static async start(options: KafkaListenerOptions): Promise<KafkaListener> {
    const listener = new KafkaListener(options);
    try {
      for (const address of [options, ...(options.others ?? [])]) await listener.#listen(address);
    } catch (error) {
      // Nothing of it stays open: who starts it anew must find all addresses free.
      await listener.stop();
      throw error;
    }
    listener.#scheduleSweep();
    return listener;
  }

  private constructor(options: KafkaListenerOptions) {
    const { broker } = options;
    this.settings = { ...DEFAULT_KAFKA_SETTINGS, ...options.settings };
    this.#clock = options.clock ?? broker.clock;
    this.#logger = options.logger ?? silentLogger;
    this.#sweepMs = Math.min(this.settings.halfFrameTimeoutMs, this.settings.maxIdleMs) / SWEEPS_PER_TIMEOUT;
    this.#context = this.#makeContext(broker);
  }

  /** Where it listens first: a port of 0 is replaced by the one that the system chose. */
  get address(): Endpoint {
    return this.#addresses[0] ?? { host: '', port: 0 };
  }

  /** Where it listens, in the order of the options. */
  get addresses(): readonly Endpoint[] {
    return this.#addresses;
  }

  /** Open now. */
  connections(): number {
    return this.#connections.size;
  }

  /** Who is connected now. */
  clients(): Iterable<ConnectedClient> {
    return this.#connections;
  }

  /**
   * Takes no new connections and requests, lets what is in flight be answered, and closes every connection cleanly.
   * Fetches that wait for records are answered at once, without. Safe to call twice.
   *
   * @param options.deadlineMs after that, connections are cut.
   */
  stop(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.deadlineMs ?? this.settings.stopDeadlineMs);
    return this.#stopped;
  }

  /** `stop` with its default deadline. */
  close(): Promise<void> {
    return this.stop();
  }

  #listen({ host, port, advertised }: KafkaAddress): Promise<void> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accept(socket, advertised));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        server.on('error', (error) =>
          this.#logger.error('accepting Kafka connections failed', { reason: error.message }),
        );
        const address = server.address();
        if (address !== null && typeof address === 'object')
          this.#addresses.push({ host: address.address, port: address.port });
        resolve();
      });
    });
  }

  #accept(accepted: Socket, advertised: Endpoint | undefined): void {
    const { metrics, settings } = this;
    if (this.#connections.size >= settings.maxConnections || this.#stopped !== undefined) {
      metrics.refused += 1;
      this.#logger.info('Kafka connection refused: too many are open', { max: settings.maxConnections });
      accepted.destroy();
      return;
    }
    const endpoint = advertised ?? { host: plainAddress(accepted.localAddress), port: accepted.localPort ?? 0 };
    const connection = new Connection(this.#context, metrics.accepted + 1);
    const { reader } = connection;
    const received = (bytes: Buffer, length: number): boolean => connection.received(bytes, length);
    let socket = adoptSocket(accepted, { reader, received });
    if (socket === undefined) {
      socket = accepted;
      accepted.on('data', (bytes: Buffer) => {
        if (!received(bytes, bytes.length)) accepted.pause();
      });
    }
    this.#connections.add(connection);
    metrics.connections = this.#connections.size;
    metrics.accepted += 1;
    connection.start(socket, endpoint);
  }

  #makeContext(broker: Broker): ListenerContext {
    const { metrics, settings } = this;
    const nothing = Buffer.alloc(0);
    const slab = Buffer.allocUnsafeSlow(SHARES_SLAB ? SLAB_BYTES : 0);
    return {
      broker,
      clock: this.#clock,
      logger: this.#logger,
      settings,
      metrics,
      budget: new LandingBudget(settings.maxLandingBytes, metrics),
      slab: () => (SHARES_SLAB ? slab : Buffer.allocUnsafeSlow(OWN_SLAB_BYTES)),
      output: new Output(),
      headerReader: new Reader(nothing),
      produceCursor: new ProduceCursor(),
      fetchCursor: new FetchCursor(),
      topicCache: new TopicCache(byName(broker.topics)),
      topicsById: new TopicCache(byId(broker.topics)),
      fetchSessions: new FetchSessions(settings, metrics, () => this.#clock.monotonic()),
      gathering: new Gathering(this.#clock),
      flushSoon: (connection) => this.#flushSoon(connection),
      resumeSoon: (connection) => this.#resumeSoon(connection),
      onRelief: (connection) => this.#onRelief(connection, broker),
      closed: (connection) => this.#onClosed(connection),
    };
  }

  #flushSoon(connection: Connection): void {
    if (this.#dirty.push(connection) === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  }

  #resumeSoon(connection: Connection): void {
    if (this.#resuming.push(connection) === 1) setImmediate(() => this.#resume());
  }

  #resume(): void {
    const resuming = this.#resuming;
    this.#resuming = [];
    for (const connection of resuming) connection.resume();
  }

  #onRelief(connection: Connection, broker: Broker): void {
    if (this.#congested.push(connection) > 1) return;
    broker.journal.onRelief(() => {
      const congested = this.#congested;
      this.#congested = [];
      for (const each of congested) each.relieved();
    });
  }

  #onClosed(connection: Connection): void {
    this.#connections.delete(connection);
    this.metrics.connections = this.#connections.size;
    if (this.#connections.size === 0) this.#allClosed?.();
  }

  /** Time-outs are judged in steps, so that reading a socket costs no look at the clock. */
  #scheduleSweep(): void {
    this.#sweepTimer = this.#clock.schedule(this.#sweepMs, () => {
      for (const connection of this.#connections) this.#judge(connection);
      this.#context.fetchSessions.expire();
      this.#scheduleSweep();
    });
  }

  #judge(connection: Connection): void {
    connection.quietSweeps += 1;
    const quietMs = (connection.quietSweeps - 1) * this.#sweepMs;
    const { halfFrameTimeoutMs, maxIdleMs } = this.settings;
    if (quietMs >= halfFrameTimeoutMs && connection.midFrame) {
      connection.reject(`a frame that began was not continued for ${Math.round(quietMs)} ms`);
    } else if (quietMs >= maxIdleMs && connection.idle) {
      this.metrics.idleClosed += 1;
      connection.destroy();
    }
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#sweepTimer?.cancel();
    for (const server of this.#servers) if (server.listening) server.close();
    await this.#drain(deadlineMs);
    this.#context.fetchSessions.closeAll();
  }

  async #drain(deadlineMs: number): Promise<void> {
    if (this.#connections.size === 0) return;
    const allClosed = new Promise<void>((resolve) => {
      this.#allClosed = resolve;
    });
    const deadline = this.#clock.schedule(deadlineMs, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    for (const connection of this.#connections) connection.drain();
    await allClosed;
    deadline.cancel();
  }
}

/** An IPv4 client of a socket that listens on both is better told the IPv4 form. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  const mapped = '::ffff:';
  return isIPv6(address) && address.startsWith(mapped) ? address.slice(mapped.length) : address;
}
