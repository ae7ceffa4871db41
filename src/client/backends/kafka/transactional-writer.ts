/**
 * Writes in transactions, through the library's producer. It shares requests of one kind that are made at the same time, also
 * where they differ, so everything here goes one after the other.
 */
import type { Message as ConsumedMessage, Consumer, Producer } from '@platformatic/kafka';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { GroupPositions, Offsets, TransactionalWriter, TransactionOptions, WriteBatch } from '../../backend.ts';
import { fromKafka } from './errors.ts';
import type { KafkaLibrary, KafkaSettings } from './library.ts';
import { type Message, message, outcomes } from './writer.ts';

/** Few: the library tries within tries, and the broker may abort the transaction meanwhile. The program opens the id anew. */
const RETRIES = 3;

export class KafkaTransactionalWriter implements TransactionalWriter {
  readonly #producer: Producer;
  readonly #compression: TransactionOptions['compression'];
  readonly #findCoordinator: (group: string) => Promise<number>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #coordinators = new Map<string, number>();
  #openedMs = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Something was written: there is a transaction to end. */
  #isOpen = false;

  private constructor(
    producer: Producer,
    compression: TransactionOptions['compression'],
    findCoordinator: (group: string) => Promise<number>,
    clock: Clock,
    timeoutMs: number,
  ) {
    this.#producer = producer;
    this.#compression = compression;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#findCoordinator = findCoordinator;
  }

  static async open(
    kafka: KafkaLibrary,
    settings: KafkaSettings,
    clock: Clock,
    { transactionalId, compression, timeoutMs }: TransactionOptions,
  ): Promise<KafkaTransactionalWriter> {
    const producer = new kafka.Producer({
      ...settings.base,
      idempotent: true,
      transactionalId,
      // Left out, it asks to go on as producer 0 of epoch 0, and is fenced unless that happens to be its id.
      producerId: -1n,
      producerEpoch: -1,
      // The library has one time limit for a transaction and for the answer to a write.
      timeout: timeoutMs,
      retries: RETRIES,
    });
    const findCoordinator = async (groupId: string): Promise<number> => {
      const consumer = new kafka.Consumer({ ...settings.base, groupId });
      try {
        return await consumer.findGroupCoordinator();
      } finally {
        await consumer.close(true);
      }
    };
    try {
      // The id is announced with the first transaction; an empty one fences whoever had it.
      await (await producer.beginTransaction()).cancel();
      return new KafkaTransactionalWriter(producer, compression, findCoordinator, clock, timeoutMs);
    } catch (error) {
      await producer.close(true).catch(() => undefined);
      throw fromKafka(error, `Opening the transactions of ${transactionalId}`);
    }
  }

  async partitionCount(topic: string): Promise<number> {
    try {
      const metadata = await this.#producer.metadata({ topics: [topic] });
      return metadata.topics.get(topic)?.partitionsCount ?? 1;
    } catch (error) {
      throw fromKafka(error, `Looking up topic ${topic}`);
    }
  }

  async write(batches: readonly WriteBatch[]): Promise<readonly (Offsets | Error)[]> {
    return await this.#inTurn(async () => {
      const messages: Message[] = [];
      for (const { topic, partition, records } of batches)
        for (const record of records) messages.push(message(topic, partition, record));
      try {
        const transaction = await this.#transaction();
        const { offsets = [] } = await transaction.send({ messages, compression: this.#compression });
        return batches.map(({ topic, partition }) => {
          const base = offsets.find((entry) => entry.topic === topic && entry.partition === partition)?.offset ?? -1n;
          return (index: number) => base + BigInt(index);
        });
      } catch (error) {
        return outcomes(error, batches).map((outcome) =>
          outcome instanceof Error ? this.#explained(outcome) : outcome,
        );
      }
    });
  }

  async writePositions({ group, positions, membership }: GroupPositions): Promise<void> {
    if (positions.length === 0) return;
    await this.#inTurn(async () => {
      try {
        const transaction = await this.#transaction();
        const coordinatorId = await this.#coordinator(group);
        await transaction.addConsumer({ groupId: group } as Consumer);
        const consumer = {
          groupId: group,
          generationId: membership?.generation ?? -1,
          memberId: membership?.memberId ?? '',
          coordinatorId,
        };
        for (const { topic, partition, nextOffset } of positions) {
          const place = { topic, partition, offset: nextOffset - 1n, metadata: { consumer } };
          // Of a message it looks at these alone.
          await transaction.addOffset(place as unknown as ConsumedMessage);
        }
      } catch (error) {
        this.#coordinators.delete(group);
        throw this.#explained(fromKafka(error, `Writing positions of group ${group}`));
      }
    });
  }

  async commit(): Promise<void> {
    await this.#end('Committing a transaction', async (transaction) => await transaction.commit());
  }

  async abort(): Promise<void> {
    await this.#end('Aborting a transaction', async (transaction) => await transaction.abort());
  }

  async close(): Promise<void> {
    await this.#producer.close(true);
  }

  async #end(what: string, end: (transaction: NonNullable<Producer['transaction']>) => Promise<void>): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#isOpen) return;
      this.#isOpen = false;
      const { transaction } = this.#producer;
      if (transaction === undefined)
        throw new MillraceError('BROKER_PRODUCER_FENCED', `${what}: another program has taken the id.`);
      try {
        await end(transaction);
      } catch (error) {
        throw this.#explained(fromKafka(error, what));
      }
    });
  }

  async #transaction(): Promise<NonNullable<Producer['transaction']>> {
    const open = this.#producer.transaction;
    if (this.#isOpen && open === undefined)
      throw new MillraceError('BROKER_PRODUCER_FENCED', 'Another program has taken the transactional id.');
    if (!this.#isOpen) this.#openedMs = this.#clock.monotonic();
    this.#isOpen = true;
    return open ?? (await this.#producer.beginTransaction());
  }

  /** The broker fences a producer, too, when it aborts a transaction that was open for too long: then nobody has taken its id. */
  #explained(error: Error): Error {
    const openMs = this.#clock.monotonic() - this.#openedMs;
    if (!(error instanceof MillraceError) || error.kind !== 'fenced' || openMs < this.#timeoutMs) return error;
    return new MillraceError(
      'CLIENT_TIMED_OUT',
      `The transaction was open for ${Math.round(openMs)} ms, longer than its timeoutMs of ${this.#timeoutMs}: the broker aborted it.`,
      { details: { timeoutMs: this.#timeoutMs }, cause: error },
    );
  }

  async #coordinator(group: string): Promise<number> {
    const known = this.#coordinators.get(group) ?? (await this.#findCoordinator(group));
    this.#coordinators.set(group, known);
    return known;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const turn = (async () => {
      await before.catch(() => undefined);
      return await work();
    })();
    this.#last = turn;
    return await turn;
  }
}
