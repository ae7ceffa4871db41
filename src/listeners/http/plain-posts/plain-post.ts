import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MillraceError } from '../../../base/errors.ts';
import { http } from '../../../base/node-http.ts';
import type { ProduceItem } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import type { HttpContext } from '../context.ts';
import { fromForeign, logDefect, problemHeaders, problemOf } from '../problem.ts';
import { bodyText, jsonRecords, type ProducedRecord, singleJsonRecord } from '../record-input.ts';
import { answerTo, answerToSingle, type StagedWrites, stageRecords } from '../record-stage.ts';
import { RequestBatches } from '../request-batches.ts';
import { RECORDS_ROUTE } from '../topic-path.ts';
import { countWritten } from '../write-answer.ts';
import type { PlainHead } from './plain-head.ts';

const JSON_ANSWER = 'application/json; charset=utf-8';

/** One plain POST, from its head to its answer. Its body is charged already, and given back when the answer is closed. */
export class PlainPost {
  readonly #context: HttpContext;
  readonly #head: PlainHead;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #requestId: string;
  readonly #pieces: Buffer[] = [];
  #startedAt = 0;
  /** Of a record that is appended by itself. */
  #topic: Topic | undefined;
  #item: ProduceItem | undefined;

  constructor(
    context: HttpContext,
    head: PlainHead,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
  ) {
    this.#context = context;
    this.#head = head;
    this.#request = request;
    this.#response = response;
    this.#requestId = requestId;
  }

  receive(): void {
    const { counters, bodies } = this.#context;
    const { bodyBytes } = this.#head;
    const response = this.#response;
    counters.sockets.get(this.#request.socket)?.requested(this.#head);
    counters.inFlight += 1;
    counters.plainPosts += 1;
    response.on('close', () => {
      counters.inFlight -= 1;
      bodies.give(bodyBytes);
      counters.answered('POST', RECORDS_ROUTE, response.statusCode);
    });
    // An `end` comes only after the whole body; a client that leaves before it closes the answer.
    this.#request.on('data', this.#onData).on('end', this.#onEnd);
  }

  readonly #onData = (piece: Buffer): void => {
    this.#pieces.push(piece);
  };

  readonly #onEnd = (): void => {
    const { broker } = this.#context;
    const { topicName, format } = this.#head;
    this.#startedAt = broker.clock.monotonic();
    try {
      const [first] = this.#pieces;
      const text = bodyText(this.#pieces.length === 1 ? (first as Buffer) : Buffer.concat(this.#pieces));
      this.#pieces.length = 0;
      const topic = broker.topics.find(topicName);
      const record = topic && singleJsonRecord(text, format);
      if (record === undefined) void this.#serveAny(text);
      else this.#append(topic as Topic, record);
    } catch (error) {
      this.#refuse(error);
    }
  };

  #append(topic: Topic, record: ProducedRecord): void {
    const { broker } = this.#context;
    const { degree, partition } = this.#head;
    const item = RequestBatches.single(topic, record, { partition, now: broker.clock.now() });
    this.#topic = topic;
    this.#item = item;
    void broker.produce({ degree, items: [item], lease: undefined, allOrNone: true, settled: this.#settled });
  }

  readonly #settled = (error: MillraceError | undefined): void => {
    try {
      if (error !== undefined) throw error;
      this.#answer(answerToSingle(this.#topic as Topic, this.#item as ProduceItem));
    } catch (refused) {
      this.#refuse(refused);
    }
  };

  /** Several records, or a topic that has to be made. */
  async #serveAny(text: string): Promise<void> {
    const { topicName, format, degree, partition } = this.#head;
    const records = (): Iterable<ProducedRecord> => jsonRecords(text, format);
    try {
      const call = { records, partition, eachOffset: false };
      const stage = (): Promise<StagedWrites> => stageRecords(this.#context, topicName, call, { degree });
      const staged = await this.#context.order.run(this.#request.socket, stage);
      this.#answer(await answerTo(staged));
    } catch (error) {
      this.#refuse(error);
    }
  }

  #answer(answer: ReturnType<typeof answerToSingle>): void {
    countWritten(this.#context, this.#startedAt, answer.count);
    const status = this.#head.degree === 'admitted' ? 202 : 200;
    this.#send(status, http.STATUS_CODES[status] ?? '', ['content-type', JSON_ANSWER], JSON.stringify(answer));
  }

  #refuse(thrown: unknown): void {
    const { path } = this.#head;
    const error = fromForeign(thrown);
    const problem = problemOf(error, path);
    const { status, title } = problem;
    if (status === 500) logDefect(this.#context.logger, error, { request: this.#requestId, path });
    const { 'content-type': type, ...others } = problemHeaders(problem);
    // As fastify has it.
    const headers = { ...others, 'content-type': `${type}; charset=utf-8` };
    this.#send(status, title, Object.entries(headers).flat(), JSON.stringify(problem));
  }

  #send(status: number, title: string, headers: string[], body: string): void {
    const sizeBytes = Buffer.byteLength(body);
    headers.push('millrace-request-id', this.#requestId, 'content-length', String(sizeBytes));
    if (this.#context.isStopping()) headers.push('connection', 'close');
    // Plain ASCII, as nearly always, is written faster as Latin-1.
    this.#response.writeHead(status, title, headers).end(body, sizeBytes === body.length ? 'latin1' : 'utf8');
  }
}
