/**
 * A member of a group in a process of its own, so that it can be killed as applications are: without a goodbye.
 *
 *   member.ts '{"key":"kafkajs","broker":"127.0.0.1:9092","topic":"t","options":{"group":"g"}}'
 *
 * Prints one JSON line per record; leaves in good order on SIGTERM.
 */
import type { ConsumerOptions, DriverKey } from './driver.ts';
import { openDriver } from './open-driver.ts';

export interface MemberOrder {
  readonly key: DriverKey;
  readonly broker: string;
  readonly topic: string;
  readonly options: ConsumerOptions;
}

export interface MemberRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

const { key, broker, topic, options } = JSON.parse(process.argv[2] ?? '') as MemberOrder;
const driver = await openDriver(key);
const consumer = await driver.consumer(broker, topic, options);
process.once('SIGTERM', () => void consumer[Symbol.asyncDispose]().then(() => process.exit(0)));
for (;;) {
  const [record] = await consumer.take(1);
  if (record === undefined) continue;
  const { partition, offset, value } = record;
  const line: MemberRecord = { partition, offset, value: value?.toString() ?? '' };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
