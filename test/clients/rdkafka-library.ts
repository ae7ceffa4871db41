/** node-rdkafka 3.6.1, typed by what is used of it; it is compiled outside the tree: rdkafka-install.ts. */
export type Callback<T = unknown> = (error: Error | null | undefined, result: T) => void;
export type Config = Readonly<Record<string, string | number | boolean>>;

export interface Message {
  readonly key: Buffer | string | null | undefined;
  readonly value: Buffer | null;
  readonly headers?: readonly Readonly<Record<string, Buffer | string>>[];
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

export interface Client {
  connect(options: object, done: Callback): void;
  disconnect(done: Callback): void;
  getMetadata(options: object, done: Callback<{ topics: { name: string; partitions: unknown[] }[] }>): void;
  on(event: string, listener: (...args: never[]) => void): void;
}

export interface Producer extends Client {
  setPollInterval(ms: number): void;
  flush(timeoutMs: number, done: Callback): void;
  initTransactions(timeoutMs: number, done: Callback): void;
  beginTransaction(done: Callback): void;
  commitTransaction(timeoutMs: number, done: Callback): void;
  abortTransaction(timeoutMs: number, done: Callback): void;
  sendOffsetsToTransaction(places: readonly object[], consumer: Consumer, timeoutMs: number, done: Callback): void;
  produce(
    topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    timestamp: number | null,
    opaque: unknown,
    headers: readonly Readonly<Record<string, Buffer>>[],
  ): void;
}

export interface Consumer extends Client {
  subscribe(topics: readonly string[]): void;
  setDefaultConsumeTimeout(ms: number): void;
  consume(count: number, done: Callback<Message[]>): void;
  /** @throws what the broker answered. */
  commitSync(place: object): void;
  committed(places: readonly object[], timeoutMs: number, done: Callback<{ offset?: number }[]>): void;
  offsetsForTimes(places: readonly object[], timeoutMs: number, done: Callback<{ offset: number }[]>): void;
}

export interface Admin {
  createTopic(topic: object, done: Callback): void;
  deleteTopic(topic: string, done: Callback): void;
  createPartitions(topic: string, total: number, done: Callback): void;
  disconnect(): void;
}

export interface Rdkafka {
  readonly features: readonly string[];
  readonly librdkafkaVersion: string;
  readonly Producer: new (config: Config, topicConfig: Config) => Producer;
  readonly KafkaConsumer: new (config: Config, topicConfig: Config) => Consumer;
  readonly AdminClient: { create(config: Config): Admin };
}

/** Awaits one of its callbacks. */
export async function call<T = unknown>(start: (done: Callback<T>) => void): Promise<T> {
  return await new Promise((resolve, reject) => {
    start((error, result) => (error === null || error === undefined ? resolve(result) : reject(error)));
  });
}
