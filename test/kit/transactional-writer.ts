/** Writes transactions to a broker without a socket, for tests of what readers make of them. */
import assert from 'node:assert/strict';
import type { Broker } from '../../src/broker/broker.ts';
import { batchOf, produce } from './broker-kit.ts';

export class TransactionalWriter {
  readonly #broker: Broker;
  readonly #sequences = new Map<string, number>();
  #who = { transactionalId: '', producerId: -1, producerEpoch: -1 };

  static async start(broker: Broker, transactionalId: string): Promise<TransactionalWriter> {
    const writer = new TransactionalWriter(broker);
    const none = { producerId: -1, producerEpoch: -1 };
    const answer = await broker.transactions.initProducerId({ transactionalId, timeoutMs: 60_000, ...none });
    assert.ok(answer.error === undefined);
    writer.#who = { transactionalId, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    return writer;
  }

  private constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** One batch into a partition, which joins the transaction. */
  async write(topic: string, partition: number, ...values: string[]): Promise<void> {
    await this.#broker.transactions.addPartitions({
      ...this.#who,
      topics: [{ topic, partitions: [partition] }],
      verifyOnly: false,
    });
    const place = `${topic}/${partition}`;
    const baseSequence = this.#sequences.get(place) ?? 0;
    const found = this.#broker.topics.find(topic);
    const { producerId, producerEpoch } = this.#who;
    const batch = batchOf(values, { producerId, producerEpoch, baseSequence, transactional: true });
    const item = await produce(this.#broker, found, partition, batch);
    assert.equal(item.error, undefined);
    this.#sequences.set(place, baseSequence + values.length);
  }

  async end(committed: boolean): Promise<void> {
    const answer = await this.#broker.transactions.end({ ...this.#who, committed, bumpsEpoch: false });
    assert.equal(answer.error, undefined);
  }
}
