import type { Admin } from '@platformatic/kafka';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendAdmin, TopicFacts } from '../../backend.ts';
import { fromKafka } from './errors.ts';

const EARLIEST = -2n;
const LATEST = -1n;

export function kafkaAdmin(admin: Admin): BackendAdmin {
  return {
    async createTopic(topic, { partitions, config }) {
      const configs = Object.entries(config ?? {}).map(([name, value]) => ({ name, value }));
      const options = { topics: [topic], configs, ...(partitions === undefined ? {} : { partitions }) };
      await translated(`Creating topic ${topic}`, () => admin.createTopics(options));
    },
    async deleteTopic(topic) {
      await translated(`Deleting topic ${topic}`, () => admin.deleteTopics({ topics: [topic] }));
    },
    async listTopics() {
      const topics = await translated('Listing topics', () => admin.listTopics());
      return topics.sort((a, b) => (a < b ? -1 : 1));
    },
    describeTopic: async (topic) => await translated(`Looking at topic ${topic}`, () => describe(admin, topic)),
  };
}

async function describe(admin: Admin, topic: string): Promise<TopicFacts> {
  // Asking the metadata for a topic could create it, so the list is asked first.
  if (!(await admin.listTopics()).includes(topic))
    throw new MillraceError('CLIENT_TOPIC_NOT_FOUND', `There is no topic ${topic}.`, { details: { topic } });
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
  const count = metadata.topics.get(topic)?.partitionsCount ?? 0;
  const ask = async (timestamp: bigint): Promise<Map<number, bigint>> => {
    const partitions = Array.from({ length: count }, (_, partitionIndex) => ({ partitionIndex, timestamp }));
    const [answer] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
    return new Map(answer?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, offset]));
  };
  const [starts, ends] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
  const partitions = Array.from({ length: count }, (_, partition) => ({
    partition,
    startOffset: starts.get(partition) ?? 0n,
    endOffset: ends.get(partition) ?? 0n,
  }));
  return { topic, partitions };
}

async function translated<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromKafka(error, what);
  }
}
