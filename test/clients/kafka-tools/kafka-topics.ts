/**
 * What librdkafka's tests ask of `kafka-topics.sh`: create, alter (more partitions) and delete one topic, through the Kafka
 * protocol as the original does.
 *
 *   kafka-topics.ts --bootstrap-server HOST:PORT --create --topic NAME --partitions N [--config NAME=VALUE]...
 */
import { parseArgs } from 'node:util';
import { createPartitions, deleteTopics, errorName } from '../../../src/wire/index.ts';
import { RawClient } from '../../kit/raw-client.ts';

const TIMEOUT_MS = 10_000;
/** How Kafka keeps records in files; Millrace's journal is not divided by topic, so these say nothing about it. */
const NOT_OURS: ReadonlySet<string> = new Set([
  'segment.ms',
  'segment.bytes',
  'file.delete.delay.ms',
  'min.cleanable.dirty.ratio',
]);

const { values } = parseArgs({
  options: {
    'bootstrap-server': { type: 'string' },
    create: { type: 'boolean' },
    alter: { type: 'boolean' },
    delete: { type: 'boolean' },
    topic: { type: 'string' },
    partitions: { type: 'string' },
    'replication-factor': { type: 'string' },
    config: { type: 'string', multiple: true },
  },
});

const { topic: name, partitions: count } = values;
if (values['bootstrap-server'] === undefined || name === undefined) throw new Error('no --bootstrap-server or --topic');
using client = await RawClient.connect(values['bootstrap-server']);
if (values.create) {
  const configs = (values.config ?? []).map(parseConfig).filter((config) => !NOT_OURS.has(config.name));
  await client.createTopic(name, Number(count ?? 1), configs);
} else if (values.alter) {
  const topics = [{ name, count: Number(count), assignments: null }];
  const { results } = await client.request(createPartitions, 1, {
    topics,
    timeoutMs: TIMEOUT_MS,
    validateOnly: false,
  });
  check(results[0]?.errorCode);
} else if (values.delete) {
  const { responses } = await client.request(deleteTopics, 4, { topicNames: [name], timeoutMs: TIMEOUT_MS });
  check(responses[0]?.errorCode);
} else throw new Error('none of --create, --alter, --delete');

function parseConfig(text: string): { name: string; value: string } {
  const equals = text.indexOf('=');
  return { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

function check(errorCode: number | undefined): void {
  if (errorCode !== 0) throw new Error(`${name}: ${errorName(errorCode ?? -1)}`);
}
