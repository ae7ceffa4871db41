/** Proves that librdkafka works with the new group protocol: patterns matched by the broker and static members included. */
import { type ConsumerProtocolClient, consumerProtocol } from './consumer-protocol.ts';
import { installRdkafka, loadRdkafka } from './rdkafka-install.ts';
import { readUntilStopped } from './rdkafka-reading.ts';

/** Of node-rdkafka, what is used here. */
interface Consumer {
  connect(options: object, done: (error: Error | null) => void): void;
  disconnect(done: () => void): void;
  subscribe(topics: readonly string[]): void;
  consume(count: number, done: (error?: Error | null, messages?: readonly Message[]) => void): void;
  commitMessage(message: Message): void;
  rebalanceProtocol(): string;
  assign(partitions: readonly object[]): void;
  unassign(): void;
  incrementalAssign(partitions: readonly object[]): void;
  incrementalUnassign(partitions: readonly object[]): void;
  on(event: string, listener: (argument: never) => void): void;
}

interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

type Rdkafka = { readonly KafkaConsumer: new (config: object, topicConfig: object) => Consumer };

const ASSIGN_PARTITIONS = -175;

const { KafkaConsumer } = loadRdkafka(installRdkafka((line) => process.stderr.write(`${line}\n`))) as Rdkafka;

const client: ConsumerProtocolClient = {
  name: 'node-rdkafka',
  can: { patterns: true, staticMembers: true, growingTopics: true },
  async join({ address, group, name, topics, instance }, received) {
    const consumer: Consumer = new KafkaConsumer(
      {
        'bootstrap.servers': address,
        'group.id': group,
        'client.id': name,
        'group.protocol': 'consumer',
        'enable.auto.commit': false,
        'fetch.wait.max.ms': 100,
        'topic.metadata.refresh.interval.ms': 300,
        ...(instance === undefined ? {} : { 'group.instance.id': instance }),
        rebalance_cb: (event: { code: number }, partitions: readonly object[]) => {
          const isCooperative = consumer.rebalanceProtocol() === 'COOPERATIVE';
          if (event.code === ASSIGN_PARTITIONS) {
            if (isCooperative) consumer.incrementalAssign(partitions);
            else consumer.assign(partitions);
          } else if (isCooperative) consumer.incrementalUnassign(partitions);
          else consumer.unassign();
        },
      },
      { 'auto.offset.reset': 'earliest' },
    );
    consumer.on('event.error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      consumer.connect({}, (error) => (error ? reject(error) : resolve()));
    });
    consumer.subscribe(topics);
    const reading = readUntilStopped<Message>(consumer, (message) => {
      received(`${message.topic}/${message.partition}/${message.offset}`);
      consumer.commitMessage(message);
    });
    const close = async (): Promise<void> => {
      await reading.stop();
      await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
    };
    let closed: Promise<void> | undefined;
    return { close: () => (closed ??= close()) };
  },
};

consumerProtocol(client);
