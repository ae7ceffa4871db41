/**
 * One WebSocket: takes messages apart, produces in their order, acknowledges cumulatively, and runs subscriptions.
 *
 * A message that is refused is answered with an error that names it, and the connection goes on; one that is no message at
 * all (wrong UTF-8, too large, a broken frame) ends it, as the protocol asks.
 */
import type { RawData, WebSocket } from 'ws';
import type { Timer } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import { ProduceItem } from '../../broker/produce.ts';
import type { Degree } from '../../journal/journal.ts';
import { foldTopicName } from '../../model/topic-name.ts';
import { ConnectionOrder } from '../http/connection-order.ts';
import { autoCreatedTopic } from '../http/find-topic.ts';
import { partitionOf } from '../http/position.ts';
import { fromForeign, problemOf } from '../http/problem.ts';
import { jsonRecords } from '../http/record-input.ts';
import { answerTo, append, type RecordsCall, type StagedWrites, stageRecords } from '../http/record-stage.ts';
import { AckLine } from './ack-line.ts';
import { binaryId, decodeProduce, encodeAck } from './binary-frames.ts';
import { CLOSE } from './close-codes.ts';
import type { WebSocketContext } from './context.ts';
import { Feed } from './feed.ts';
import { Outbox } from './outbox.ts';
import { openSource, type PlacedSource } from './source.ts';
import {
  type MessageName,
  type ProduceMessage,
  parseText,
  reply,
  type SubscribeMessage,
  type TextMessage,
} from './text-messages.ts';

export class WebSocketConnection {
  readonly #socket: WebSocket;
  readonly #context: WebSocketContext;
  readonly #quotaClient: string;
  readonly #outbox: Outbox;
  readonly #acks = new AckLine();
  readonly #order = new ConnectionOrder();
  readonly #feeds = new Map<string, Feed>();
  #inFlightBytes = 0;
  #ackScheduled = false;
  /** How the peer last produced, and so how it is answered. */
  #binary = false;
  #congested = false;
  /** Set while it is not read from because its client has written more than it may. */
  #throttled: Timer | undefined;
  #paused = false;
  #alive = true;
  #ping: Timer | undefined;

  /** @param quotaClient whose quotas it counts for. */
  constructor(socket: WebSocket, context: WebSocketContext, quotaClient: string) {
    this.#quotaClient = quotaClient;
    this.#socket = socket;
    this.#context = context;
    this.#outbox = new Outbox(socket, context.clock, context.settings);
    this.#outbox.onCongestion = (congested) => {
      this.#congested = congested;
      this.#pauseOrGoOn();
    };
    this.#outbox.onStalled = () => {
      context.counters.tooSlow += 1;
    };
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('pong', () => {
      this.#alive = true;
    });
    // What is wrong with a frame, ws answers with a close; it reports it here, and an emitter without a listener throws.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#onClose());
    this.#schedulePing();
  }

  /** Starts a subscription that the address asked for. */
  subscribe(message: SubscribeMessage): void {
    void this.#subscribe(message).catch((error: unknown) => this.#refuse({ sub: message.sub }, error));
  }

  /** Says that the broker stops; whoever does not leave is cut. */
  goAway(): void {
    for (const feed of this.#feeds.values()) feed.stop();
    this.#outbox.close(CLOSE.goingAway, 'The broker is stopping.');
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    const { counters } = this.#context;
    counters.messagesReceived += 1;
    this.#alive = true;
    // With the default `binaryType` ws gives one Buffer.
    const bytes = data as Buffer;
    const name: MessageName = {};
    try {
      if (isBinary) this.#onBinary(bytes, name);
      else this.#onText(bytes.toString('utf8'), bytes.length, name);
    } catch (error) {
      this.#refuse(name, error);
    }
  }

  #onBinary(bytes: Buffer, name: MessageName): void {
    const id = binaryId(bytes);
    if (id !== undefined) name.id = id;
    const { id: produceId, degree, topic: topicName, partition, batch } = decodeProduce(bytes);
    this.#binary = true;
    const canonical = foldTopicName(topicName);
    const topic = this.#context.http.broker.topics.find(canonical);
    if (topic !== undefined && this.#order.isIdle(this)) {
      this.#produceNow(
        produceId,
        bytes.length,
        degree,
        () => new ProduceItem(topic, partitionOf(topic, partition), batch),
      );
      return;
    }
    this.#produce(produceId, bytes.length, async () => {
      const { broker } = this.#context.http;
      const made = broker.topics.find(canonical) ?? (await autoCreatedTopic(broker, canonical));
      const item = new ProduceItem(made, partitionOf(made, partition), batch);
      const { appended, placed } = append(broker, degree, [item]);
      const acknowledged = this.#outcome(item, appended);
      // What comes behind must not overtake a batch that gets another codec first. A refusal is told by who awaits it.
      acknowledged.catch(() => undefined);
      await placed;
      return { acknowledged };
    });
  }

  /** The usual case of a binary produce, without a promise: the topic is there, and nothing before it is being staged. */
  #produceNow(id: number, sizeBytes: number, degree: Degree, make: () => ProduceItem): void {
    const end = this.#begin(id, sizeBytes);
    let item: ProduceItem;
    try {
      item = make();
    } catch (error) {
      this.#refuse({ id }, error);
      end();
      return;
    }
    const placed = this.#context.http.broker.produce({
      degree,
      items: [item],
      lease: undefined,
      settled: (error) => {
        const refusal = error ?? refusalOf(item);
        if (refusal !== undefined) this.#refuse({ id }, refusal);
        end();
      },
    });
    // It gets another codec first: what comes behind must not overtake it.
    if (placed !== undefined) void this.#order.run(this, () => placed);
  }

  #onText(text: string, sizeBytes: number, name: MessageName): void {
    const parsed: TextMessage = parseText(text, name);
    switch (parsed.op) {
      case 'produce':
        this.#binary = false;
        this.#produceText(parsed.message, parsed.records, sizeBytes);
        return;
      case 'subscribe':
        this.subscribe(parsed.message);
        return;
      case 'credit':
        this.#feed(parsed.message.sub).addCredit(parsed.message.records);
        return;
      case 'unsubscribe':
        this.#feed(parsed.message.sub).stop();
        return;
      case 'ping':
        this.#outbox.send(reply.pong());
        return;
      default:
        parsed satisfies never;
    }
  }

  #produceText(
    { id, topic, partition, ack, format, offsets }: ProduceMessage,
    records: string,
    sizeBytes: number,
  ): void {
    const name = foldTopicName(topic);
    const call: RecordsCall = {
      records: () => jsonRecords(records, format ?? 'json'),
      partition,
      eachOffset: false,
    };
    this.#produce(id, sizeBytes, async () => {
      const staged = await stageRecords(this.#context.http, name, call, { degree: ack ?? 'durable' });
      const acknowledged = this.#answered(staged, id, offsets === true);
      return { acknowledged };
    });
  }

  async #answered(staged: StagedWrites, id: number, wantsPlaces: boolean): Promise<void> {
    const answer = await answerTo(staged);
    this.#context.http.counters.recordsProduced += answer.count;
    if (wantsPlaces) this.#outbox.send(reply.produced(id, answer));
  }

  /**
   * Runs a produce in its turn, and moves the acknowledgements when it is settled, well or not.
   *
   * @param stage resolves when the records have their place; what it holds resolves when they are acknowledged.
   */
  #produce(id: number, sizeBytes: number, stage: () => Promise<{ readonly acknowledged: Promise<void> }>): void {
    const end = this.#begin(id, sizeBytes);
    const run = async (): Promise<void> => {
      try {
        const { acknowledged } = await this.#order.run(this, stage);
        await acknowledged;
      } catch (error) {
        // Before the acknowledgement that passes it.
        this.#refuse({ id }, error);
      }
      end();
    };
    void run();
  }

  /** @returns what to call when the produce is settled, well or not. @throws HTTP_REQUEST_INVALID for an id that does not grow. */
  #begin(id: number, sizeBytes: number): () => void {
    const settled = this.#acks.add(id);
    this.#context.counters.produces += 1;
    this.#inFlightBytes += sizeBytes;
    this.#throttle(sizeBytes);
    this.#pauseOrGoOn();
    return () => {
      settled();
      this.#inFlightBytes -= sizeBytes;
      this.#scheduleAck();
      this.#pauseOrGoOn();
    };
  }

  async #outcome(item: ProduceItem, appended: Promise<void>): Promise<void> {
    await appended;
    const refusal = refusalOf(item);
    if (refusal !== undefined) throw refusal;
  }

  /** One acknowledgement for all that settle in this turn of the event loop. */
  #scheduleAck(): void {
    if (this.#ackScheduled) return;
    this.#ackScheduled = true;
    setImmediate(() => {
      this.#ackScheduled = false;
      const upTo = this.#acks.take();
      if (upTo !== undefined) this.#outbox.send(this.#binary ? encodeAck(upTo) : reply.ack(upTo));
    });
  }

  async #subscribe(message: SubscribeMessage): Promise<void> {
    const { http, settings, counters } = this.#context;
    const { sub } = message;
    if (this.#feeds.has(sub)) throw refuse(`There is a subscription \`${sub}\` already; end it, or take another name.`);
    if (this.#feeds.size >= settings.maxSubscriptions) {
      throw refuse(`A connection takes ${settings.maxSubscriptions} subscriptions at most.`);
    }
    let opened: PlacedSource | undefined;
    const feed = new Feed({
      room: http.room,
      // Not awaited here, so that the name is taken and cannot be given twice.
      source: openSource(http, message).then((placed) => {
        opened = placed;
        return placed.source;
      }),
      credit: message.credit ?? Number.MAX_SAFE_INTEGER,
      pieceBytes: settings.pieceBytes,
      quotaClient: this.#quotaClient,
      send: (records) => this.#outbox.sent(reply.records(sub, records, opened?.place() ?? '')),
    });
    this.#feeds.set(sub, feed);
    counters.subscriptions += 1;
    try {
      await feed.run();
      this.#outbox.send(reply.ended(sub));
    } finally {
      this.#feeds.delete(sub);
      counters.subscriptions -= 1;
    }
  }

  #feed(sub: string): Feed {
    const feed = this.#feeds.get(sub);
    if (feed !== undefined) return feed;
    throw refuse(`There is no subscription \`${sub}\`.`);
  }

  #refuse(name: MessageName, error: unknown): void {
    const { counters, http } = this.#context;
    counters.messagesRefused += 1;
    const known = fromForeign(error);
    if (known.code === 'INTERNAL')
      http.logger.error(known.message, { cause: known.cause instanceof Error ? (known.cause.stack ?? '') : '' });
    this.#outbox.send(reply.error(name, problemOf(known)));
  }

  #throttle(sizeBytes: number): void {
    const { http, clock } = this.#context;
    const { quotas, governor } = http.broker;
    const waitMs = Math.max(quotas.use('producer', this.#quotaClient, sizeBytes), governor.waitMs());
    if (waitMs === 0) return;
    this.#throttled?.cancel();
    this.#throttled = clock.schedule(waitMs, () => {
      this.#throttled = undefined;
      this.#pauseOrGoOn();
    });
  }

  /** The socket is read while what it sent, and what it does not take, stay within their limits. */
  #pauseOrGoOn(): void {
    const { maxInFlight, maxInFlightBytes } = this.#context.settings;
    const full =
      this.#acks.size >= maxInFlight ||
      this.#inFlightBytes >= maxInFlightBytes ||
      this.#congested ||
      this.#throttled !== undefined;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }

  #schedulePing(): void {
    const { clock, settings } = this.#context;
    this.#ping = clock.schedule(settings.pingMs, () => {
      // Who is not read from cannot answer.
      if (!this.#alive && !this.#paused) {
        this.#socket.terminate();
        return;
      }
      this.#alive = false;
      this.#socket.ping();
      this.#schedulePing();
    });
  }

  #onClose(): void {
    this.#ping?.cancel();
    this.#throttled?.cancel();
    for (const feed of this.#feeds.values()) feed.stop();
  }
}

function refusalOf({ error, topic }: ProduceItem): MillraceError | undefined {
  if (error === undefined) return undefined;
  return new MillraceError(error, `The batch for ${topic?.name} was refused (${error}).`);
}

function refuse(message: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', message);
}
