import type { MillraceError } from '../../../base/errors.ts';
import type { ProduceItem } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import { bodyText, jsonRecords, type ProducedRecord, singleJsonRecord } from '../record-input.ts';
import { answerTo, answerToSingle, type StagedWrites, stageRecords } from '../record-stage.ts';
import { RequestBatches } from '../request-batches.ts';
import { RECORDS_ROUTE } from '../topic-path.ts';
import { countWritten } from '../write-answer.ts';
import { PlainPost } from './plain-post.ts';
import type { RecordHead } from './record-head.ts';

const JSON_ANSWER = 'application/json; charset=utf-8';

/** Records for one topic. */
export class RecordPost extends PlainPost<RecordHead> {
  protected readonly route = RECORDS_ROUTE;
  #startedAt = 0;
  /** Of a record that is appended by itself. */
  #topic: Topic | undefined;
  #item: ProduceItem | undefined;

  protected serve(body: Buffer): void {
    const { broker } = this.context;
    const { topicName, format } = this.head;
    this.#startedAt = broker.clock.monotonic();
    const text = bodyText(body);
    const topic = broker.topics.find(topicName);
    const record = topic && singleJsonRecord(text, format);
    if (record === undefined) void this.#serveAny(text);
    else this.#append(topic as Topic, record);
  }

  #append(topic: Topic, record: ProducedRecord): void {
    const { broker } = this.context;
    const { degree, partition } = this.head;
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
      this.refuse(refused);
    }
  };

  /** Several records, or a topic that has to be made. */
  async #serveAny(text: string): Promise<void> {
    const { topicName, format, degree, partition } = this.head;
    const records = (): Iterable<ProducedRecord> => jsonRecords(text, format);
    try {
      const call = { records, partition, eachOffset: false };
      const stage = (): Promise<StagedWrites> => stageRecords(this.context, topicName, call, { degree });
      const staged = await this.context.order.run(this.request.socket, stage);
      this.#answer(await answerTo(staged));
    } catch (error) {
      this.refuse(error);
    }
  }

  #answer(answer: ReturnType<typeof answerToSingle>): void {
    countWritten(this.context, this.#startedAt, answer.count);
    const status = this.head.degree === 'admitted' ? 202 : 200;
    this.send(status, ['content-type', JSON_ANSWER], JSON.stringify(answer));
  }
}
