/**
 * One connection while its requests are plain (plain-head.ts): request after request, one unanswered at a time.
 *
 * ```
 *  bytes ─► whole and plain? ─► staged ─► settled ─► answer in one write ─► next
 *              │ no: anything else, more than one request, a body in many pieces
 *              └─► to node's HTTP, with all bytes since the last answer, for the rest of its life
 * ```
 */
import type { Socket } from 'node:net';
import type { MillraceError } from '../../../base/errors.ts';
import type { ProduceItem } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import { fromForeign, logDefect, problemHeaders, problemOf, refuseSocket } from '../problem.ts';
import { bodyText, jsonRecords, type ProducedRecord, singleJsonRecord } from '../record-input.ts';
import { answerTo, answerToSingle, stageRecords } from '../record-stage.ts';
import { RequestBatches } from '../request-batches.ts';
import type { ProduceAnswer } from '../schemas.ts';
import { TOPICS_PATH } from '../topic-path.ts';
import { countWritten } from '../write-answer.ts';
import { type PlainHead, parsePlainHead } from './plain-head.ts';
import type { PlainPosts } from './plain-posts.ts';

/** A longer head goes to node, which has the limit for it. */
const MAX_HEAD_BYTES = 4 * 1024;
/** A body that comes in more pieces is no small matter, or somebody's who sends byte by byte. */
const MAX_PIECES = 8;
const HEAD_END = Buffer.from('\r\n\r\n');
const ROUTE = `${TOPICS_PATH}/:name/records`;

export class PlainConnection {
  readonly #posts: PlainPosts;
  readonly #socket: Socket;
  /** What came of a request that is not whole. */
  #held: Buffer | undefined;
  #pieces = 0;
  /** Of the body that is being received or served. */
  #chargedBytes = 0;
  /** Clients send the same head again and again. */
  #headText = '';
  #head: PlainHead | undefined;
  /** A request is being served. */
  #busy = false;
  #ended = false;
  #isFresh = true;
  /** Times that it was looked after since its last request. */
  #quietLooks = 0;
  #startedAt = 0;
  #requestId = '';
  #topic: Topic | undefined;
  #item: ProduceItem | undefined;

  constructor(posts: PlainPosts, socket: Socket) {
    this.#posts = posts;
    this.#socket = socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    socket.on('error', ignore);
  }

  /**
   * Looks after it, once in a while.
   * @param idleLooks after so many without a request it is closed.
   */
  look(idleLooks: number): void {
    if (this.#busy) return;
    this.#quietLooks += 1;
    if (this.#held !== undefined || this.#isFresh) {
      // Node's HTTP has the time-outs for requests that do not come whole.
      if (this.#quietLooks > 1) this.#handOver(this.#held);
    } else if (this.#quietLooks > idleLooks) this.#socket.destroy();
  }

  /** Ends it where nothing is being served; else the answer does, while the listener stops. */
  stop(): void {
    if (this.#held !== undefined) this.#handOver(this.#held);
    else if (!this.#busy) this.#socket.destroy();
  }

  cut(): void {
    this.#socket.destroy();
  }

  readonly #onData = (piece: Buffer): void => {
    if (this.#busy) {
      // Sent ahead: it waits in the socket.
      this.#socket.pause();
      this.#socket.unshift(piece);
      return;
    }
    const bytes = this.#held === undefined ? piece : Buffer.concat([this.#held, piece]);
    const headEnd = bytes.indexOf(HEAD_END);
    const head =
      headEnd < 0 || headEnd > MAX_HEAD_BYTES ? undefined : this.#headOf(bytes.toString('latin1', 0, headEnd));
    const start = headEnd + HEAD_END.length;
    const end = start + (head?.bodyBytes ?? 0);
    if (head === undefined || bytes.length > end || !this.#posts.isOpen || !this.#charge(head.bodyBytes)) {
      this.#handOver(bytes);
    } else if (bytes.length === end) this.#serve(head, bytes.subarray(start));
    else this.#hold(bytes);
  };

  #headOf(text: string): PlainHead | undefined {
    if (text === this.#headText) return this.#head;
    this.#headText = text;
    this.#head = parsePlainHead(text, this.#posts.limits);
    return this.#head;
  }

  #charge(bytes: number): boolean {
    if (this.#chargedBytes > 0) return true;
    if (!this.#posts.context.bodies.tryTake(bytes)) return false;
    this.#chargedBytes = bytes;
    return true;
  }

  #giveBack(): void {
    this.#posts.context.bodies.give(this.#chargedBytes);
    this.#chargedBytes = 0;
  }

  #hold(bytes: Buffer): void {
    this.#held = bytes;
    this.#pieces += 1;
    if (this.#pieces > MAX_PIECES) this.#handOver(bytes);
  }

  #serve(head: PlainHead, body: Buffer): void {
    const { context } = this.#posts;
    const { broker, counters } = context;
    this.#held = undefined;
    this.#pieces = 0;
    this.#isFresh = false;
    this.#quietLooks = 0;
    this.#busy = true;
    counters.inFlight += 1;
    counters.sockets.get(this.#socket)?.requested(head);
    this.#requestId = this.#posts.newRequestId();
    this.#startedAt = broker.clock.monotonic();
    try {
      const text = bodyText(body);
      const topic = broker.topics.find(head.topicName);
      const record = topic && singleJsonRecord(text, head.format);
      if (record === undefined) void this.#serveAny(head, text);
      else this.#append(head, topic as Topic, record);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #append({ degree, partition }: PlainHead, topic: Topic, record: ProducedRecord): void {
    const { broker } = this.#posts.context;
    const item = RequestBatches.single(topic, record, { partition, now: broker.clock.now() });
    this.#topic = topic;
    this.#item = item;
    // Where it is appended later, `settled` is called later; nothing else of this connection comes in between.
    void broker.produce({ degree, items: [item], lease: undefined, allOrNone: true, settled: this.#settled });
  }

  readonly #settled = (error: MillraceError | undefined): void => {
    const [topic, item] = [this.#topic, this.#item];
    this.#topic = undefined;
    this.#item = undefined;
    if (error !== undefined) this.#refuse(error);
    else {
      try {
        this.#answer(answerToSingle(topic as Topic, item as ProduceItem));
      } catch (refused) {
        this.#refuse(refused);
      }
    }
  };

  /** Several records, or a topic that has to be made. */
  async #serveAny({ topicName, format, degree, partition }: PlainHead, text: string): Promise<void> {
    const records = (): Iterable<ProducedRecord> => jsonRecords(text, format);
    try {
      const call = { records, partition, eachOffset: false };
      const staged = await stageRecords(this.#posts.context, topicName, call, { degree });
      this.#answer(await answerTo(staged));
    } catch (error) {
      this.#refuse(error);
    }
  }

  #answer(answer: ProduceAnswer): void {
    countWritten(this.#posts.context, this.#startedAt, answer.count);
    const status = this.#head?.degree === 'admitted' ? 202 : 200;
    this.#send(status, this.#posts.statusLine(status), JSON.stringify(answer));
  }

  #refuse(thrown: unknown): void {
    const { path = '' } = this.#head ?? {};
    const error = fromForeign(thrown);
    const problem = problemOf(error, path);
    if (problem.status === 500) logDefect(this.#posts.context.logger, error, { request: this.#requestId, path });
    const lines = Object.entries(problemHeaders(problem)).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#send(
      problem.status,
      `HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('')}`,
      JSON.stringify(problem),
    );
  }

  /** @param begin status line and the headers that this answer alone has. */
  #send(status: number, begin: string, body: string): void {
    const { context } = this.#posts;
    const socket = this.#socket;
    const isLast = this.#ended || context.isStopping();
    const length = Buffer.byteLength(body);
    const id = `millrace-request-id: ${this.#requestId}\r\ncontent-length: ${length}\r\n`;
    const text = `${begin}${id}${this.#posts.commonHeaders(isLast)}\r\n${body}`;
    const hasRoom = socket.write(text, length === body.length ? 'latin1' : 'utf8');
    this.#done(status);
    if (isLast) socket.destroySoon();
    else if (!hasRoom) socket.pause().once('drain', this.#onDrain);
    else if (socket.isPaused()) socket.resume();
  }

  #done(status: number): void {
    const { counters } = this.#posts.context;
    this.#busy = false;
    this.#giveBack();
    counters.inFlight -= 1;
    counters.answered('POST', ROUTE, status);
  }

  readonly #onDrain = (): void => void this.#socket.resume();

  /** The client sends no more, and may still read. */
  readonly #onEnd = (): void => {
    this.#ended = true;
    if (this.#held !== undefined) refuseSocket(new Error('the request ends within its body'), this.#socket);
    else if (!this.#busy) this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#posts.delete(this);
    // What is being served gives back its own when it is settled.
    if (!this.#busy) this.#giveBack();
  };

  #handOver(bytes: Buffer | undefined): void {
    const socket = this.#socket;
    this.#giveBack();
    this.#held = undefined;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    socket.off('error', ignore);
    // Else what is put back would be emitted to nobody.
    socket.pause();
    if (bytes !== undefined) socket.unshift(bytes);
    this.#posts.delete(this);
    this.#posts.handOver(socket);
    socket.resume();
  }
}

/** The connection closes by itself then. */
function ignore(): void {}
