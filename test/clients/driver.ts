/**
 * What the scenarios ask of a client, whoever made it. One driver per client translates this to the client's own API; what
 * a client cannot do is left out and said so, and the scenario is left out with it.
 */
import type { CodecName } from '../../src/model/record-batch.ts';

export type DriverKey = 'kafkajs' | 'platformatic-1' | 'platformatic-2' | 'kcat' | 'rdkafka';

export interface ClientRecord {
  readonly key: Buffer | null;
  /** Null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: readonly ClientHeader[];
  /** Milliseconds since 1970; undefined: the client's own choice. */
  readonly timestamp?: number | undefined;
  /** Undefined: the client's own partitioner. */
  readonly partition?: number | undefined;
}

export type ClientHeader = readonly [key: string, value: Buffer];

export interface ReceivedRecord extends ClientRecord {
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

export interface SendOptions {
  readonly codec?: CodecName;
  /** -1 (all) where left out. */
  readonly acks?: 0 | 1 | -1;
  readonly idempotent?: boolean;
}

export interface ClientProducer extends AsyncDisposable {
  /** Resolves once all are acknowledged (with acks=0: handed to the client). @throws what the client throws. */
  send(topic: string, records: readonly ClientRecord[]): Promise<void>;
}

/** A producer with a transactional id, which has fenced earlier ones with the same. */
export interface ClientTransactions extends AsyncDisposable {
  begin(): Promise<void>;
  send(topic: string, records: readonly ClientRecord[]): Promise<void>;
  /** The group of this consumer goes on after this record once the transaction commits. */
  sendOffset(consumer: ClientConsumer, topic: string, after: ReceivedRecord): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export interface ClientConsumer extends AsyncDisposable {
  /** Waits for this many records, in the order they came, and takes them. */
  take(count: number): Promise<ReceivedRecord[]>;
  /** Records that came and were not taken. */
  readonly waiting: number;
  /** What the client calls its consumer, for its own transactions. */
  readonly handle?: unknown;
}

export interface ConsumerOptions {
  /** Committed offsets are resumed, and committed at the end; from the start where the group has none. */
  readonly group: string;
  /** False: the group commits nothing by itself. */
  readonly autoCommit?: boolean;
  /** Records of transactions only once they are committed, of aborted ones never. */
  readonly readCommitted?: boolean;
  /** `group.instance.id` of a static member. */
  readonly instance?: string;
  /** Cooperative rebalancing: what stays assigned is read on. */
  readonly cooperative?: boolean;
  readonly sessionTimeoutMs?: number;
}

export interface ClientAdmin extends AsyncDisposable {
  createTopic(topic: string, partitions: number, config: Readonly<Record<string, string>>): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  addPartitions(topic: string, total: number): Promise<void>;
  describeConfig?(topic: string, name: string): Promise<string | undefined>;
  alterConfig?(topic: string, name: string, value: string): Promise<void>;
  deleteRecords?(topic: string, partition: number, beforeOffset: number): Promise<void>;
  readonly groups?: ClientGroups;
}

export interface ClientGroups {
  list(): Promise<string[]>;
  /** State as the broker calls it, and how many members. */
  describe(group: string): Promise<{ readonly state: string; readonly memberCount: number }>;
  delete(group: string): Promise<void>;
  /** Next offset to read of one partition. */
  committed(group: string, topic: string, partition: number): Promise<number>;
  commit(group: string, topic: string, partition: number, offset: number): Promise<void>;
}

export interface ClientDriver {
  readonly name: string;
  /** For a process of its own that loads the driver: open-driver.ts. */
  readonly key: DriverKey;
  readonly codecs: readonly CodecName[];
  readonly can: {
    /** Header values of any bytes, not only text without commas. */
    readonly binaryHeaders: boolean;
    readonly repeatedHeaders: boolean;
    readonly ownTimestamps: boolean;
    readonly idempotent: boolean;
    /** Lives on over a restart of the broker. */
    readonly outliveBroker: boolean;
    /** Tells an empty value from a null one when reading. */
    readonly emptyValues: boolean;
    /** `ClientAdmin.groups`. */
    readonly groupAdmin: boolean;
    readonly staticMembers: boolean;
    readonly cooperative: boolean;
    /** Leaves out more than one aborted transaction of a producer in one answer. */
    readonly manyAborted: boolean;
  };
  /** Topic to its number of partitions. */
  topics(broker: string): Promise<Map<string, number>>;
  producer(broker: string, options?: SendOptions): Promise<ClientProducer>;
  consumer(broker: string, topic: string, options: ConsumerOptions): Promise<ClientConsumer>;
  /** Ready once earlier producers with this id are fenced. */
  transactions?(broker: string, transactionalId: string): Promise<ClientTransactions>;
  /** First offset whose record is as young; -1 where none is. */
  offsetAt?(broker: string, topic: string, timestamp: number): Promise<number>;
  admin?(broker: string): Promise<ClientAdmin>;
}

/** Records that a client hands over when it likes, for a test that asks when it likes. */
export class Inbox {
  #records: ReceivedRecord[] = [];
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  get waiting(): number {
    return this.#records.length;
  }

  put(record: ReceivedRecord): void {
    this.#records.push(record);
    this.#wake?.();
  }

  /** What the client fails with; the next `take` throws it. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  async take(count: number): Promise<ReceivedRecord[]> {
    while (this.#records.length < count) {
      if (this.#error !== undefined) throw this.#error;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const taken = this.#records.slice(0, count);
    this.#records = this.#records.slice(count);
    return taken;
  }
}
