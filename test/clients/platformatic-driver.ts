/** @platformatic/kafka: the 2.x line and, with the same calls, the 1.x line that Node 20 gets (flexible versions only). */
import * as platformatic2 from '@platformatic/kafka';
import { type ClientDriver, type ClientRecord, type DriverKey, Inbox, type ReceivedRecord } from './driver.ts';

export type Platformatic = typeof platformatic2;
type BufferConsumer = platformatic2.Consumer;
type BufferMessage = platformatic2.Message;

export const platformatic2Driver: ClientDriver = platformaticDriver(
  'platformatic-2',
  '@platformatic/kafka 2.12.1',
  platformatic2,
);

export function platformaticDriver(driverKey: DriverKey, driverName: string, library: Platformatic): ClientDriver {
  const { Admin, Consumer, Producer } = library;
  /** Its transactions take offsets as messages, not as numbers. */
  const messages = new WeakMap<ReceivedRecord, BufferMessage>();
  return {
    name: driverName,
    key: driverKey,
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    can: {
      binaryHeaders: true,
      repeatedHeaders: false,
      ownTimestamps: true,
      idempotent: true,
      outliveBroker: true,
      emptyValues: true,
      groupAdmin: true,
      staticMembers: true,
      cooperative: false,
      manyAborted: false,
    },

    async topics(broker) {
      const admin = new Admin(base(broker));
      const metadata = await admin.metadata({ topics: await admin.listTopics({ includeInternals: true }) });
      await admin.close();
      return new Map([...metadata.topics].map(([topic, { partitions }]) => [topic, partitions.length]));
    },

    async producer(broker, { codec = 'none', acks = -1, idempotent = false } = {}) {
      const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
        ...base(broker),
        idempotent,
        autocreateTopics: true,
      });
      return {
        async send(topic, records) {
          await producer.send({ messages: toMessages(topic, records), acks, compression: codec });
        },
        [Symbol.asyncDispose]: () => producer.close(),
      };
    },

    async transactions(broker, transactionalId) {
      // Left out, it asks to go on as producer 0 of epoch 0, and is fenced unless that happens to be its id.
      const fresh = { producerId: -1n, producerEpoch: -1 };
      const options = { ...base(broker), ...fresh, transactionalId, idempotent: true, autocreateTopics: true };
      const producer = new Producer<Buffer, Buffer, Buffer, Buffer>(options);
      // Its transactional id is announced with the first transaction; an empty one fences as others do when they start.
      await (await producer.beginTransaction()).cancel();
      return {
        async begin() {
          await producer.beginTransaction();
        },
        async send(topic, records) {
          await producer.transaction?.send({ messages: toMessages(topic, records) });
        },
        async sendOffset(consumer, _topic, after) {
          const message = messages.get(after);
          if (message === undefined) throw new Error('not a record of this client');
          await producer.transaction?.addConsumer(consumer.handle as BufferConsumer);
          await producer.transaction?.addOffset(message);
        },
        async commit() {
          await producer.transaction?.commit();
        },
        async abort() {
          await producer.transaction?.abort();
        },
        [Symbol.asyncDispose]: () => producer.close(),
      };
    },

    async consumer(broker, topic, options) {
      const { group, autoCommit = true, readCommitted = false, instance, sessionTimeoutMs = 10_000 } = options;
      const consumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
        ...base(broker),
        groupId: group,
        autocommit: autoCommit,
        isolationLevel: readCommitted
          ? library.FetchIsolationLevels.READ_COMMITTED
          : library.FetchIsolationLevels.READ_UNCOMMITTED,
        maxWaitTime: 500,
        sessionTimeout: sessionTimeoutMs,
        heartbeatInterval: 300,
        ...(instance === undefined ? {} : { groupInstanceId: instance }),
      });
      const inbox = new Inbox();
      const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' });
      stream.on('error', (error: Error) => inbox.fail(error));
      stream.on('data', (message) => {
        const { key, value, headers, timestamp, partition, offset } = message;
        const record: ReceivedRecord = {
          key: nullable(key),
          value: nullable(value),
          headers: [...headers].map(([header, bytes]) => [String(header), Buffer.from(bytes)]),
          timestamp: Number(timestamp),
          partition,
          offset: Number(offset),
        };
        if (!autoCommit) messages.set(record, message);
        inbox.put(record);
      });
      return {
        take: (count) => inbox.take(count),
        get waiting() {
          return inbox.waiting;
        },
        handle: consumer,
        async [Symbol.asyncDispose]() {
          await stream.close();
          await consumer.close();
        },
      };
    },

    async offsetAt(broker, topic, timestamp) {
      const consumer = new Consumer({ ...base(broker), groupId: 'unused' });
      const offsets = await consumer.listOffsets({ topics: [topic], timestamp: BigInt(timestamp) });
      await consumer.close();
      return Number(offsets.get(topic)?.[0]);
    },

    async admin(broker) {
      const admin = new Admin(base(broker));
      const resourceType = library.ConfigResourceTypes.TOPIC;
      return {
        async createTopic(topic, partitions, config) {
          const configs = Object.entries(config).map(([key, value]) => ({ name: key, value }));
          await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs });
        },
        deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
        addPartitions: (topic, count) => admin.createPartitions({ topics: [{ name: topic, count }] }),
        async describeConfig(topic, key) {
          const [resource] = await admin.describeConfigs({ resources: [{ resourceType, resourceName: topic }] });
          return resource?.configs.find((config) => config.name === key)?.value ?? undefined;
        },
        async alterConfig(topic, key, value) {
          const configs = [{ name: key, configOperation: library.IncrementalAlterConfigOperationTypes.SET, value }];
          await admin.incrementalAlterConfigs({ resources: [{ resourceType, resourceName: topic, configs }] });
        },
        async deleteRecords(topic, partition, beforeOffset) {
          await admin.deleteRecords({
            topics: [{ name: topic, partitions: [{ partition, offset: BigInt(beforeOffset) }] }],
          });
        },
        groups: {
          async list() {
            return [...(await admin.listGroups()).keys()];
          },
          async describe(group) {
            const found = (await admin.describeGroups({ groups: [group] })).get(group);
            return { state: String(found?.state), memberCount: found?.members.size ?? 0 };
          },
          delete: (group) => admin.deleteGroups({ groups: [group] }),
          async committed(groupId, name, partition) {
            const topics = [{ name, partitionIndexes: [partition] }];
            const [found] = await admin.listConsumerGroupOffsets({ groups: [{ groupId, topics }] });
            return Number(found?.topics[0]?.partitions[0]?.committedOffset);
          },
          async commit(groupId, name, partition, offset) {
            const topics = [{ name, partitionOffsets: [{ partition, offset: BigInt(offset) }] }];
            await admin.alterConsumerGroupOffsets({ groupId, topics });
          },
        },
        [Symbol.asyncDispose]: () => admin.close(),
      };
    },
  };
}

function toMessages(topic: string, records: readonly ClientRecord[]) {
  return records.map((record) => ({ topic, ...toMessage(record) }));
}

function toMessage({ key, value, headers, timestamp, partition }: ClientRecord) {
  return {
    ...(key === null ? {} : { key }),
    ...(value === null ? {} : { value }),
    headers: new Map(headers.map(([name, bytes]) => [Buffer.from(name), bytes])),
    ...(timestamp === undefined ? {} : { timestamp: BigInt(timestamp) }),
    ...(partition === undefined ? {} : { partition }),
  };
}

function nullable(bytes: Buffer | null | undefined): Buffer | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes);
}

function base(broker: string) {
  return {
    clientId: 'millrace-test',
    bootstrapBrokers: [broker],
    retries: 40,
    retryDelay: 100,
    timeout: 10_000,
  };
}
