/**
 * Transactions: records of several topics and positions of consumers that count all or not at all.
 *
 *   run: work ─► flush producers ─► positions ─► commit          a failure anywhere: flush ─► abort, and throw
 */
import { MillraceError } from '../base/errors.ts';
import type { GroupPositions, TransactionalWriter, Writer } from './backend.ts';
import type { Consumer } from './consumer.ts';
import type { HeaderCodecs } from './headers.ts';
import type { Producer, ProducerOptions } from './producer.ts';

/** Options of `client.transactor()`. */
export interface TransactorOptions {
  /** Belongs to one program at a time: whoever opens it anew fences the one before, whose writes then fail. */
  readonly transactionalId: string;
  /** The server aborts a transaction that is open for longer. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | undefined;
}

/** A producer's options but for those that the transactor settles. */
export type TransactionalProducerOptions<Value, Key = string, Headers = undefined> = Omit<
  ProducerOptions<Value, Key, Headers>,
  'acks' | 'idempotent' | 'compression'
>;

/** What the work of a transaction can do beside sending. */
export interface Transaction {
  /**
   * Commits with the transaction what the consumer gave out so far, the record in hand included. Its policy must be `manual`.
   * After an abort open the consumer anew: it goes on where its group stands.
   */
  commitPositions(consumer: Consumer<unknown, unknown, unknown>): void;
}

/** What a transactor needs from its client. */
export interface TransactorParts {
  readonly writer: TransactionalWriter;
  readonly openProducer: <Value, Key, Headers extends HeaderCodecs | undefined>(
    writer: Writer,
    options: ProducerOptions<Value, Key, Headers>,
  ) => Producer<Value, Key, Headers>;
  readonly onClose: () => void;
}

/** Runs transactions under one id: records of several topics and positions of consumers, all or none. */
export class Transactor implements AsyncDisposable {
  readonly #parts: TransactorParts;
  readonly #producers = new Set<{ flush(): Promise<void>; close(): Promise<void> }>();
  #positions: GroupPositions[] = [];
  #isOpen = false;
  #closing: Promise<void> | undefined;

  /** @internal Use `client.transactor()`. */
  constructor(parts: TransactorParts) {
    this.#parts = parts;
  }

  /** A producer whose records belong to the transaction that runs; outside of one it refuses them. */
  producer<Value, Key = string, Headers extends HeaderCodecs | undefined = undefined>(
    options: TransactionalProducerOptions<Value, Key, Headers>,
  ): Producer<Value, Key, Headers> {
    this.#checkOpen();
    const { writer, openProducer } = this.#parts;
    const bound: Writer = {
      partitionCount: async (topic) => await writer.partitionCount(topic),
      write: async (batches) => {
        if (!this.#isOpen)
          throw new MillraceError(
            'CLIENT_OPTION_INVALID',
            'This producer sends in transactions only: use transactor.run().',
          );
        return await writer.write(batches);
      },
      close: async () => undefined,
    };
    const producer = openProducer<Value, Key, Headers>(bound, options);
    this.#producers.add(producer);
    return producer;
  }

  /**
   * Runs work as a transaction. Readers that read committed records (those of this SDK do) see all of it, once, or nothing.
   *
   * ```ts
   * await transactor.run(async (transaction) => {
   *   await orders.submit({ key: order.id, value: order });
   *   transaction.commitPositions(consumer);
   * });
   * ```
   *
   * @throws what the work threw; what writing or committing failed with. Then the transaction is aborted; where that is not
   *   known (kind `retry`), opening the transactional id again settles it.
   */
  async run<T>(work: (transaction: Transaction) => T | Promise<T>): Promise<T> {
    this.begin();
    let result: T;
    try {
      result = await work({ commitPositions: (consumer) => void this.#positions.push(consumer.takePositions()) });
      await this.commit(this.#positions);
    } catch (error) {
      // What failed first is what is told.
      await this.abort().catch(() => undefined);
      throw error;
    }
    return result;
  }

  /** @internal For `millrace/process`. */
  begin(): void {
    this.#checkOpen();
    if (this.#isOpen)
      throw new MillraceError('CLIENT_OPTION_INVALID', 'A transaction of this transactor runs already.');
    this.#isOpen = true;
    this.#positions = [];
  }

  /** @internal For `millrace/process`. Writes what producers hold, then the positions, and commits. */
  async commit(positions: readonly GroupPositions[]): Promise<void> {
    const { writer } = this.#parts;
    for (const producer of this.#producers) await producer.flush();
    for (const group of positions) await writer.writePositions(group);
    await writer.commit();
    this.#isOpen = false;
  }

  /** @internal For `millrace/process`. */
  async abort(): Promise<void> {
    // Records on the way would fall into the next transaction.
    for (const producer of this.#producers) await producer.flush().catch(() => undefined);
    this.#isOpen = false;
    await this.#parts.writer.abort();
  }

  /** Aborts what runs, and releases. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    try {
      if (this.#isOpen) await this.abort();
      for (const producer of this.#producers) await producer.close();
    } finally {
      this.#parts.onClose();
      await this.#parts.writer.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MillraceError('CLIENT_CLOSED', 'The transactor has been closed.');
  }
}
