/**
 * One worker of a consume-transform-produce pipeline, in a process of its own, as an application would write it:
 *
 *   node test/soak/exactly-once-worker.ts kafkajs|platformatic BROKER GROUP INPUT OUTPUT
 *
 * Each input partition has a producer of its own with a transactional id of its own, so whoever takes a partition over
 * fences whoever had it; only then it asks where the group stands, and goes on there. A transaction holds what a few
 * records became and the group's next offset. Any error ends the process: the next one starts from what is committed.
 * But for one: @platformatic/kafka commits offsets in the name of the generation in which a record was fetched, so what a
 * worker holds when the group rebalances can never be committed. Were that its end too, each start would be a rebalance and
 * end the others, and on a busy machine nobody would get anywhere: such a transaction is aborted and its records come anew.
 */
import { Admin, Consumer, FetchIsolationLevels, type Message, Producer } from '@platformatic/kafka';
import kafkajs from 'kafkajs';
import { transform } from './exactly-once-model.ts';

/** At most: small ones while the worker keeps up, larger ones when it has to catch up, whose cost is hardly more. */
const RECORDS_PER_TRANSACTION = 200;
const SESSION_MS = 2_000;
const TRANSACTION_TIMEOUT_MS = 10_000;
const [client = '', broker = '', group = '', input = '', output = ''] = process.argv.slice(2);

function die(error: unknown): never {
  console.error(String(error));
  process.exit(1);
}

process.on('unhandledRejection', die);
process.on('uncaughtException', die);

/** Where a partition's worker stands: whose transactions they are, and the next offset to be processed. */
interface Lane<P> {
  readonly producer: P;
  next: number;
}

async function withKafkajs(): Promise<void> {
  const { Kafka, logLevel } = kafkajs;
  const retry = { retries: 3, initialRetryTime: 100, maxRetryTime: 1000 };
  const kafka = new Kafka({ clientId: `worker-${process.pid}`, brokers: [broker], logLevel: logLevel.NOTHING, retry });
  const admin = kafka.admin();
  await admin.connect();
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: SESSION_MS,
    heartbeatInterval: 300,
    maxWaitTimeInMs: 200,
    maxBytesPerPartition: 4096,
    readUncommitted: false,
  });
  const lanes = new Map<number, Lane<kafkajs.Producer>>();
  // Who had the partitions meanwhile is not known: begin anew with each.
  consumer.on(consumer.events.GROUP_JOIN, () => lanes.clear());
  consumer.on(consumer.events.CRASH, ({ payload }) => die(payload.error));
  await consumer.connect();
  await consumer.subscribe({ topic: input, fromBeginning: true });

  async function open(partition: number): Promise<Lane<kafkajs.Producer>> {
    const producer = kafka.producer({
      transactionalId: `${group}-${partition}`,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    // Its InitProducerId fences the one before; what is committed after that stays.
    await (await producer.transaction()).abort();
    const [topic] = await admin.fetchOffsets({ groupId: group, topics: [input] });
    const committed = Number(topic?.partitions.find((each) => each.partition === partition)?.offset ?? -1);
    return { producer, next: Math.max(committed, 0) };
  }

  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 3,
    async eachBatch(payload) {
      const { batch } = payload;
      const { partition } = batch;
      let lane = lanes.get(partition);
      if (lane === undefined) {
        lane = await open(partition);
        lanes.set(partition, lane);
      }
      const { next } = lane;
      const first = Number(batch.messages[0]?.offset ?? next);
      if (first > next) {
        consumer.seek({ topic: input, partition, offset: String(next) });
        return;
      }
      const todo = batch.messages.filter(({ offset }) => Number(offset) >= next);
      for (let at = 0; at < todo.length && payload.isRunning() && !payload.isStale(); at += RECORDS_PER_TRANSACTION) {
        const records = todo.slice(at, at + RECORDS_PER_TRANSACTION);
        const after = Number(records.at(-1)?.offset) + 1;
        const transaction = await lane.producer.transaction();
        await transaction.send({
          topic: output,
          acks: -1,
          messages: records.map(({ value }) => ({ partition, value: transform(String(value)) })),
        });
        await transaction.sendOffsets({
          consumerGroupId: group,
          topics: [{ topic: input, partitions: [{ partition, offset: String(after) }] }],
        });
        await transaction.commit();
        lane.next = after;
        payload.resolveOffset(String(after - 1));
        await payload.heartbeat();
      }
      // Also where all of it was there already.
      const last = batch.messages.at(-1)?.offset;
      if (last !== undefined && Number(last) < lane.next) payload.resolveOffset(last);
    },
  });
}

async function withPlatformatic(): Promise<void> {
  const base = { clientId: `worker-${process.pid}`, bootstrapBrokers: [broker], retries: 3, retryDelay: 200 };
  type Bytes = Producer;
  const admin = new Admin(base);
  const consumer = new Consumer({
    ...base,
    groupId: group,
    autocommit: false,
    maxWaitTime: 200,
    maxBytes: 64 * 1024,
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: SESSION_MS,
    heartbeatInterval: 300,
    isolationLevel: FetchIsolationLevels.READ_COMMITTED,
  });
  type Begun = Awaited<ReturnType<Bytes['beginTransaction']>>;
  const lanes = new Map<number, Lane<Bytes> & { first: Begun | undefined }>();
  const waiting = new Map<number, Message[]>();
  consumer.on('consumer:group:join', () => {
    for (const { producer } of lanes.values()) void producer.close(true).catch(() => undefined);
    lanes.clear();
    // The stream goes back to what is committed.
    waiting.clear();
  });
  const stream = await consumer.consume({ topics: [input], mode: 'committed', fallbackMode: 'earliest' });
  stream.on('error', die);

  async function open(partition: number): Promise<Lane<Bytes> & { first: Begun | undefined }> {
    const producer = new Producer({
      ...base,
      transactionalId: `${group}-${partition}`,
      idempotent: true,
      // It is its transaction timeout too.
      timeout: TRANSACTION_TIMEOUT_MS,
      // Otherwise it says that it has producer id 0, which fences it where it has not.
      producerId: -1n,
      producerEpoch: -1,
    });
    // Its InitProducerId fences the one before; what is committed after that stays.
    const first = await producer.beginTransaction();
    const [offsets] = await admin.listConsumerGroupOffsets({
      groups: [{ groupId: group, topics: [{ name: input, partitionIndexes: [partition] }] }],
    });
    const committed = Number(offsets?.topics[0]?.partitions[0]?.committedOffset ?? -1);
    return { producer, next: Math.max(committed, 0), first };
  }

  async function work(partition: number, records: readonly Message[]): Promise<void> {
    let lane = lanes.get(partition);
    if (lane === undefined) {
      lane = await open(partition);
      lanes.set(partition, lane);
    }
    const { next } = lane;
    const todo = records.filter(({ offset }) => Number(offset) >= next);
    const [first] = todo;
    const last = todo.at(-1);
    if (first === undefined || last === undefined) return;
    if (Number(first.offset) > next) die(`partition ${partition} is at ${next}, and ${first.offset} came`);
    const transaction = lane.first ?? (await lane.producer.beginTransaction());
    lane.first = undefined;
    await transaction.send({
      acks: -1,
      messages: todo.map(({ value }) => ({
        topic: output,
        partition,
        value: Buffer.from(transform(value.toString())),
      })),
    });
    await transaction.addConsumer(consumer as never);
    try {
      await transaction.addOffset(last);
    } catch (error) {
      if (!isRebalance(error)) throw error;
      await transaction.abort();
      return;
    }
    await transaction.commit();
    lane.next = Number(last.offset) + 1;
  }

  let running = false;
  const run = async (): Promise<void> => {
    if (running) return;
    running = true;
    for (let [entry] = waiting; entry !== undefined; [entry] = waiting) {
      const [partition, records] = entry;
      waiting.delete(partition);
      const now = records.splice(0, RECORDS_PER_TRANSACTION);
      if (records.length > 0) waiting.set(partition, records);
      await work(partition, now);
    }
    running = false;
  };
  stream.on('data', (message) => {
    const { generationId } = message.metadata['consumer'] as { readonly generationId: number };
    if (generationId !== consumer.generationId) return;
    const records = waiting.get(message.partition);
    if (records === undefined) waiting.set(message.partition, [message]);
    else records.push(message);
    setImmediate(() => void run().catch(die));
  });
}

const REBALANCE = /ILLEGAL_GENERATION|UNKNOWN_MEMBER_ID|REBALANCE_IN_PROGRESS/;

/** Looks at what caused the error, which is what the broker said. */
function isRebalance(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { apiId } = error as { readonly apiId?: string };
  if (apiId !== undefined && REBALANCE.test(apiId)) return true;
  const inner = error instanceof AggregateError ? error.errors : [];
  return [...inner, error.cause].some((each) => isRebalance(each));
}

await (client === 'kafkajs' ? withKafkajs() : withPlatformatic());
