/**
 * One client connection: frames in, answers out, in request order.
 *
 * ```
 *  socket ──► FrameReader ──► frame ──┬─ Produce: to the broker at once, later frames go on (pipelining)
 *                                     ├─ Fetch, and every other API: later frames wait until its answer is written
 *                                     └─ refused while held: kept by the reader, offered again later
 *  exchanges in request order: first ──► ... ──► last      done ones at the front are written together, once a tick
 * ```
 * Reasons to hold frames back are bits, so that each is set and cleared by its own part:
 *
 * | reason | set | cleared |
 * |---|---|---|
 * | BUSY | a request other than Produce was taken | its answer was written |
 * | WINDOW | too many Produce answers are pending | some were written |
 * | OUTGOING | the socket does not take our answers | it has taken them |
 * | CONGESTED | the journal has too much to write, and a Produce came | the journal is relieved |
 * | LANDING | a large frame finds no room | another frame gave memory back |
 * | LOADING | the first request of its API came | the handler is loaded, and the request is offered again |
 * | RECOMPRESSING | a Produce waits for its batches in another codec | it has its place in the journal |
 * | THROTTLED | its client used more than its quota (KIP-219), or the disk holds producers back | the time is up |
 * | CLOSING | the listener stops, or an error was found | never |
 */
import type { Socket } from 'node:net';
import type { Lease } from '../../base/buffer-pool.ts';
import { readInt16, readInt32 } from '../../base/bytes.ts';
import type { Timer } from '../../base/clock.ts';
import type { ConnectedClient } from '../../base/connected-client.ts';
import { asMillraceError, type ErrorDetails, MillraceError } from '../../base/errors.ts';
import { API_KEYS, apiNameOf } from '../../wire/api-keys.ts';
import { ERROR_CODES } from '../../wire/error-codes.ts';
import { FETCH_FLEXIBLE_VERSION } from '../../wire/fetch.ts';
import { FrameReader, type FrameSink } from '../../wire/frame-reader.ts';
import { type RequestHeader, readRequestStart, skipRequestTags } from '../../wire/header.ts';
import type { ApiVersionsRequest } from '../../wire/messages/api-versions.ts';
import { PRODUCE_BY_ID_VERSION, PRODUCE_FLEXIBLE_VERSION } from '../../wire/produce.ts';
import { Reader } from '../../wire/reader.ts';
import type { ListenerContext } from './context.ts';
import { CallExchange, type Exchange } from './exchange.ts';
import { FetchExchange } from './fetch-exchange.ts';
import type { Gathered } from './gathering.ts';
import type { Call, Endpoint, Handler } from './handler.ts';
import { ProduceExchange } from './produce-exchange.ts';
import { type HandledApi, handledApi, SERVED_FETCH, SERVED_PRODUCE, VERSION_TABLE } from './registry.ts';

const HOLD = {
  BUSY: 1,
  WINDOW: 2,
  OUTGOING: 4,
  CONGESTED: 8,
  LANDING: 16,
  CLOSING: 32,
  RECOMPRESSING: 64,
  THROTTLED: 128,
  LOADING: 256,
} as const;

/** apiKey, apiVersion, correlationId. */
const MIN_REQUEST_BYTES = 8;
/** While a request is answered, what the client sends on is read up to here: so a client that goes away is noticed. */
const MAX_READ_AHEAD_BYTES = 64 * 1024;
/** A fetch answer is never bounded below this, however much other sockets hold: everybody gets on. */
const MIN_FETCH_BYTES = 64 * 1024;
/** How long a client may take to close its end after we closed ours. */
const LINGER_MS = 500;

/** What a client may make us keep of its own words. */
const MAX_WORDS = 200;

export class Connection implements FrameSink, ConnectedClient, Gathered {
  readonly id: string;
  readonly transport = 'kafka';
  readonly connectedAt: number;
  clientId: string | undefined;
  software: string | undefined;
  requests = 0;
  receivedBytes = 0;
  readonly reader: FrameReader;
  lastPatientAt = Number.NEGATIVE_INFINITY;
  /** Sweeps since bytes arrived; see `sweep`. */
  quietSweeps = 0;
  readonly #context: ListenerContext;
  #socket: Socket | undefined;
  #endpoint: Endpoint = { host: '', port: 0 };
  host = '';
  port = 0;
  #holds = 0;
  #reading = false;
  #first: Exchange | undefined;
  #last: Exchange | undefined;
  #pending = 0;
  /** Exchanges whose bytes are on their way, and whose memory must not be reused yet. */
  readonly #leaving = new Set<Exchange>();
  #dirty = false;
  #resuming = false;
  /** Our end is closed; what still comes is read and dropped. */
  #ended = false;
  #closed = false;
  #throttled: Timer | undefined;
  /** The request that waits to be answered with others. */
  #gathered: (() => void) | undefined;
  #clientIdStart = 0;
  #clientIdEnd = 0;
  readonly #onRoom = (): void => this.#release(HOLD.LANDING);

  /** @param number unique among the connections of this listener. */
  constructor(context: ListenerContext, number: number) {
    this.#context = context;
    this.id = `kafka-${number}`;
    this.connectedAt = context.clock.now();
    const { broker, budget, settings } = context;
    const slab = context.slab();
    this.reader = new FrameReader({ slab, pool: broker.pool, budget, maxFrameBytes: settings.maxFrameBytes }, this);
  }

  /** Takes the socket over and begins to read. */
  start(socket: Socket, endpoint: Endpoint): void {
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.host = socket.remoteAddress ?? '';
    this.port = socket.remotePort ?? 0;
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#context.logger.debug('Kafka connection failed', this.#facts(error.message)));
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#onClosed());
    this.#updateReading();
  }

  get sentBytes(): number {
    return this.#socket?.bytesWritten ?? 0;
  }

  /** Nothing is in flight, and nobody has ended it. */
  get idle(): boolean {
    return this.#first === undefined && (this.#holds & HOLD.CLOSING) === 0;
  }

  /** Part of a frame has come, and we wait for the rest. */
  get midFrame(): boolean {
    return this.#reading && this.reader.midFrame;
  }

  /** For the socket. False: stop reading. */
  received(bytes: Buffer, length: number): boolean {
    if (this.#closed) return false;
    this.#context.metrics.bytesIn += length;
    this.receivedBytes += length;
    if (this.#ended) return true;
    this.quietSweeps = 0;
    this.runGathered();
    this.#guard(() => this.reader.received(bytes, length));
    // Who sends the next request before this one is answered is in a hurry.
    if (this.reader.holding) this.runGathered();
    this.#afterParse();
    this.#reading = this.#wantsRead();
    return this.#reading;
  }

  frame(bytes: Buffer, start: number, end: number, lease: Lease | undefined): boolean {
    if (this.#holds !== 0) return false;
    if (end - start < MIN_REQUEST_BYTES) throw this.#malformed(`A request of ${end - start} bytes has no header.`);
    const apiKey = readInt16(bytes, start);
    const version = readInt16(bytes, start + 2);
    const { metrics, settings } = this.#context;
    if (apiKey === API_KEYS.Produce) {
      if (this.#context.broker.journal.congested) {
        this.#hold(HOLD.CONGESTED);
        this.#context.onRelief(this);
        return false;
      }
      this.#produce(bytes, start, end, version, lease);
    } else if (end - start > settings.maxControlFrameBytes) {
      throw this.#malformed(
        `A request of API ${apiKey} has ${end - start} bytes; at most ${settings.maxControlFrameBytes} are accepted.`,
      );
    } else if (apiKey === API_KEYS.Fetch) this.#fetch(bytes, start, end, version);
    else if (!this.#call(bytes, start, end, version, apiKey)) return false;
    metrics.requests[apiKey] = (metrics.requests[apiKey] ?? 0) + 1;
    this.requests += 1;
    return true;
  }

  /** The answer of an exchange is there: from now on it leaves as soon as it is the first. */
  settled(exchange: Exchange): void {
    if (exchange instanceof FetchExchange) this.#context.metrics.fetchedBytes += exchange.sizeBytes;
    if (this.#closed) {
      this.#forget(exchange);
      return;
    }
    if (exchange instanceof ProduceExchange && exchange.silent) {
      // With acks=0 the client hears of an error only by the end of the connection.
      if (exchange.failed) this.#reject(this.#malformed('A Produce request with acks=0 failed.'));
      return;
    }
    if (exchange instanceof FetchExchange && exchange.clientId !== undefined) {
      const { quotas } = this.#context.broker;
      this.#throttle(exchange, quotas.use('consumer', exchange.clientId, exchange.sizeBytes));
    }
    this.#markDirty();
  }

  /** Writes the answers that are next in order; called by the listener once a tick for each dirty connection. */
  flush(): void {
    this.#dirty = false;
    const socket = this.#socket;
    if (this.#closed || socket === undefined || !socket.writable) return;
    const { output, metrics } = this.#context;
    let slices: Exchange[] | undefined;
    let exchange = this.#first;
    try {
      while (exchange?.done === true) {
        exchange.write(output);
        if (exchange instanceof FetchExchange) (slices ??= []).push(exchange);
        this.#pending -= 1;
        exchange = exchange.next;
      }
    } catch (error) {
      // An answer of ours that cannot be encoded. Half of it may not leave.
      output.reset();
      this.#defect(error);
      return;
    }
    if (exchange === this.#first) return;
    this.#first = exchange;
    if (exchange === undefined) this.#last = undefined;
    metrics.bytesOut += output.sizeBytes;
    if (slices === undefined) output.send(socket);
    else this.#sendSlices(socket, slices);
    this.#afterWrite(socket);
  }

  /** Offers held frames again; called by the listener, at most once per turn of the event loop. */
  resume(): void {
    this.#resuming = false;
    if (this.#closed || this.#holds !== 0) return;
    this.#guard(() => this.reader.resume());
    this.#afterParse();
    this.#updateReading();
  }

  /** The journal has room again. */
  relieved(): void {
    this.#release(HOLD.CONGESTED);
  }

  /** Takes no further request; ends the connection when what is in flight is answered. */
  drain(): void {
    this.#hold(HOLD.CLOSING);
    this.runGathered();
    if (this.#first instanceof FetchExchange && !this.#first.done) {
      this.#first.cut();
      this.#markDirty();
    }
    this.#endWhenIdle();
  }

  /** Ends at once. */
  destroy(): void {
    this.#hold(HOLD.CLOSING);
    this.#socket?.destroy();
  }

  /** A reason to end the connection, worth a line in the log. */
  reject(reason: string): void {
    this.#reject(this.#malformed(reason));
  }

  #produce(bytes: Buffer, start: number, end: number, version: number, lease: Lease | undefined): void {
    if (version < SERVED_PRODUCE.minVersion || version > SERVED_PRODUCE.maxVersion)
      throw this.#unknown(API_KEYS.Produce, version);
    const { broker, produceCursor, settings } = this.#context;
    const bodyStart = this.#bodyStart(bytes, start, end, version >= PRODUCE_FLEXIBLE_VERSION);
    produceCursor.reset(bytes, bodyStart, end, version);
    const exchange = new ProduceExchange(this, version, readInt32(bytes, start + 4), produceCursor.acks, lease);
    const { topicCache, topicsById } = this.#context;
    exchange.collect(produceCursor, version >= PRODUCE_BY_ID_VERSION ? topicsById : topicCache, bytes);
    if (!exchange.silent) {
      this.#append(exchange);
      if (this.#pending >= settings.maxPendingProduces) this.#hold(HOLD.WINDOW);
    }
    const later = broker.produce(exchange);
    exchange.explain();
    if (later !== undefined) this.#holdUntil(later);
    const { quotas, governor } = broker;
    const quotaMs = quotas.active ? quotas.use('producer', this.#clientIdIn(bytes), end - start) : 0;
    this.#throttle(exchange, Math.max(quotaMs, governor.waitMs()));
  }

  /** Of the request whose body `#bodyStart` has found. */
  #clientIdIn(bytes: Buffer): string {
    return bytes.toString('utf8', this.#clientIdStart, this.#clientIdEnd);
  }

  /** The answer says how long, and goes out at once; what comes after it is read when the time is up. */
  #throttle(exchange: Exchange, waitMs: number): void {
    if (waitMs === 0 || this.#closed) return;
    exchange.throttleTimeMs = waitMs;
    this.#hold(HOLD.THROTTLED);
    this.#throttled?.cancel();
    this.#throttled = this.#context.clock.schedule(waitMs, () => this.#release(HOLD.THROTTLED));
  }

  /** Later requests, of whatever kind, must not overtake. */
  #holdUntil(appended: Promise<void>): void {
    this.#hold(HOLD.RECOMPRESSING);
    appended.then(
      () => this.#release(HOLD.RECOMPRESSING),
      (error: unknown) => this.#defect(error),
    );
  }

  #fetch(bytes: Buffer, start: number, end: number, version: number): void {
    if (version < SERVED_FETCH.minVersion || version > SERVED_FETCH.maxVersion)
      throw this.#unknown(API_KEYS.Fetch, version);
    const { broker, fetchCursor, topicCache, fetchSessions, metrics, settings } = this.#context;
    const bodyStart = this.#bodyStart(bytes, start, end, version >= FETCH_FLEXIBLE_VERSION);
    fetchCursor.reset(bytes, bodyStart, end, version);
    let room = Math.max(MIN_FETCH_BYTES, settings.maxFetchedBytes - metrics.fetchedBytes);
    const clientId = broker.quotas.active ? this.#clientIdIn(bytes) : undefined;
    // One answer takes a second's worth at most, so that a wait stays short.
    if (clientId !== undefined) room = Math.min(room, broker.quotas.limitOf('consumer', clientId) ?? room);
    const exchange = new FetchExchange(this, fetchCursor, version, readInt32(bytes, start + 4), room);
    exchange.clientId = clientId;
    exchange.collect(fetchCursor, { names: topicCache, topics: broker.topics, sessions: fetchSessions }, bytes);
    this.#append(exchange);
    this.#hold(HOLD.BUSY);
    if (exchange.hasWork) broker.fetch(exchange);
    else exchange.settled();
  }

  /** Skips the header without making a string of the client id. */
  #bodyStart(bytes: Buffer, start: number, end: number, flexible: boolean): number {
    const reader = this.#context.headerReader.reset(bytes, start + MIN_REQUEST_BYTES, end);
    const length = reader.int16();
    this.#clientIdStart = reader.position;
    if (length > 0) reader.skip(length);
    this.#clientIdEnd = reader.position;
    if (flexible) reader.skipTags();
    return reader.position;
  }

  /** False: the handler is being loaded, and the frame will be offered again. */
  #call(bytes: Buffer, start: number, end: number, version: number, apiKey: number): boolean {
    const api = handledApi(apiKey);
    if (api === undefined) throw this.#unknown(apiKey, version);
    const { handler } = api;
    if (handler === undefined) {
      this.#load(api);
      return false;
    }
    const reader = new Reader(bytes, start, end);
    const header = readRequestStart(reader);
    if (version < api.minVersion || version > api.maxVersion) {
      if (apiKey !== API_KEYS.ApiVersions) throw this.#unknown(apiKey, version);
      this.#refuseVersion(handler, header.correlationId);
      return true;
    }
    skipRequestTags(reader, handler.api, version);
    this.#answer(handler, handler.api.request.read(reader, version), header);
    return true;
  }

  #load(api: HandledApi): void {
    this.#hold(HOLD.LOADING);
    api.load().then(
      () => this.#release(HOLD.LOADING),
      (error: unknown) => this.#defect(error),
    );
  }

  #answer(handler: Handler, request: unknown, header: RequestHeader): void {
    const exchange = new CallExchange(handler.api, header.apiVersion, header.correlationId);
    this.#append(exchange);
    this.#hold(HOLD.BUSY);
    this.#introduced(handler.api.key, request, header);
    const call: Call = {
      broker: this.#context.broker,
      version: header.apiVersion,
      clientId: header.clientId ?? '',
      clientHost: this.host,
      endpoint: this.#endpoint,
    };
    const run = (): void => this.#run(handler.answer(request, call), exchange);
    if (this.#context.gathering.gather(this, handler.api.key)) this.#gathered = run;
    else run();
  }

  runGathered(): void {
    const run = this.#gathered;
    this.#gathered = undefined;
    if (run !== undefined && !this.#closed) this.#guard(run);
  }

  #run(answer: unknown, exchange: CallExchange): void {
    if (answer instanceof Promise) {
      answer.then(
        (body: unknown) => this.#answered(exchange, body),
        (error: unknown) => this.#defect(error),
      );
    } else this.#answered(exchange, answer);
  }

  /** Clients say who they are in each header, and what they are in ApiVersions; neither is read from Produce and Fetch. */
  #introduced(apiKey: number, request: unknown, { clientId, apiVersion }: RequestHeader): void {
    if (clientId !== null) this.clientId = clientId.slice(0, MAX_WORDS);
    if (apiKey !== API_KEYS.ApiVersions || apiVersion < 3) return;
    const { clientSoftwareName, clientSoftwareVersion } = request as ApiVersionsRequest;
    this.software = `${clientSoftwareName}/${clientSoftwareVersion}`.slice(0, MAX_WORDS);
  }

  #answered(exchange: CallExchange, body: unknown): void {
    exchange.answer(body);
    this.settled(exchange);
  }

  /** A client that asks in a newer way than we know is told in version 0 what we know (KIP-511). */
  #refuseVersion({ api }: Handler, correlationId: number): void {
    const exchange = new CallExchange(api, 0, correlationId);
    this.#append(exchange);
    this.#hold(HOLD.BUSY);
    this.#answered(exchange, { errorCode: ERROR_CODES.UNSUPPORTED_VERSION, apiKeys: VERSION_TABLE });
  }

  #append(exchange: Exchange): void {
    if (this.#last === undefined) this.#first = exchange;
    else this.#last.next = exchange;
    this.#last = exchange;
    this.#pending += 1;
  }

  #markDirty(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#context.flushSoon(this);
  }

  #sendSlices(socket: Socket, exchanges: readonly Exchange[]): void {
    for (const exchange of exchanges) this.#leaving.add(exchange);
    this.#context.output.send(socket, () => {
      for (const exchange of exchanges) if (this.#leaving.delete(exchange)) this.#forget(exchange);
    });
  }

  /** The exchange's memory may be reused. */
  #forget(exchange: Exchange): void {
    if (exchange instanceof FetchExchange) this.#context.metrics.fetchedBytes -= exchange.sizeBytes;
    exchange.released();
  }

  #afterWrite(socket: Socket): void {
    if (socket.writableLength > this.#context.settings.maxOutgoingBytes) this.#hold(HOLD.OUTGOING);
    // Whatever was BUSY is written now: it holds back later frames, so it was the last.
    let cleared = this.#first === undefined ? HOLD.BUSY : 0;
    if (this.#pending < this.#context.settings.maxPendingProduces) cleared |= HOLD.WINDOW;
    this.#release(cleared);
    this.#endWhenIdle();
  }

  #drained(): void {
    this.#release(HOLD.OUTGOING);
    this.#endWhenIdle();
  }

  #hold(reason: number): void {
    this.#holds |= reason;
  }

  #release(reasons: number): void {
    if ((this.#holds & reasons) === 0 || this.#closed) return;
    this.#holds &= ~reasons;
    if (this.#holds !== 0) return;
    if (!this.reader.holding) this.#updateReading();
    else if (!this.#resuming) {
      // Not at once: a client that pipelines thousands of small requests must not keep the loop from the others.
      this.#resuming = true;
      this.#context.resumeSoon(this);
    }
  }

  #afterParse(): void {
    if (!this.reader.starved || this.#closed) return;
    this.#hold(HOLD.LANDING);
    this.#context.budget.onRoom(this.#onRoom);
  }

  #wantsRead(): boolean {
    if (this.#closed) return false;
    if (this.#ended) return true;
    return (this.#holds & ~HOLD.BUSY) === 0 && this.reader.heldBytes < MAX_READ_AHEAD_BYTES;
  }

  #updateReading(): void {
    const wanted = this.#wantsRead();
    if (wanted === this.#reading) return;
    this.#reading = wanted;
    if (wanted) {
      this.quietSweeps = 0;
      this.#socket?.resume();
    } else this.#socket?.pause();
  }

  /** What the client sent may throw; nothing of it may reach another connection. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const known = asMillraceError(error);
      if (known.code === 'INTERNAL') this.#defect(error);
      else this.#reject(known);
    }
  }

  #reject(error: MillraceError): void {
    if (this.#closed || (this.#holds & HOLD.CLOSING) !== 0) return;
    this.#context.metrics.rejected += 1;
    this.#context.logger.info('Kafka connection closed', { ...this.#facts(error.message), code: error.code });
    // A request that has failed in the middle gets no answer; Produce requests before it still do.
    const unanswerable = (this.#holds & HOLD.BUSY) !== 0;
    this.#hold(HOLD.CLOSING);
    if (unanswerable) this.destroy();
    else this.#endWhenIdle();
  }

  #defect(error: unknown): void {
    const known = asMillraceError(error);
    this.#context.logger.error('a Kafka request failed', { ...this.#facts(known.message), stack: known.stack ?? null });
    this.destroy();
  }

  #endWhenIdle(): void {
    const socket = this.#socket;
    if ((this.#holds & HOLD.CLOSING) === 0 || this.#first !== undefined || this.#ended || socket === undefined) return;
    this.#ended = true;
    socket.end();
    // Bytes that nobody reads would turn the end into a reset, and the client could lose our last answers.
    this.#updateReading();
    this.#context.clock.schedule(LINGER_MS, () => socket.destroy());
  }

  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const exchange of this.#leaving) this.#forget(exchange);
    this.#leaving.clear();
    for (let exchange = this.#first; exchange !== undefined; exchange = exchange.next) {
      if (exchange.done) this.#forget(exchange);
      else exchange.cancel();
    }
    this.#first = undefined;
    this.#last = undefined;
    this.#throttled?.cancel();
    this.reader.close();
    this.#context.budget.forget(this.#onRoom);
    this.#context.closed(this);
  }

  #malformed(message: string): MillraceError {
    return new MillraceError('WIRE_MALFORMED', message);
  }

  #unknown(apiKey: number, version: number): MillraceError {
    const name = apiNameOf(apiKey) ?? 'unknown';
    return new MillraceError('WIRE_UNSUPPORTED_VERSION', `API ${apiKey} (${name}) version ${version} is not served.`, {
      details: { apiKey, version },
    });
  }

  #facts(reason: string): ErrorDetails {
    return { client: this.host, reason };
  }
}
