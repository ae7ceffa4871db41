/**
 * A consumer in a process of its own, to be killed: writes each value to a file as soon as it is processed, one a line.
 *
 *   node test/kit/sdk-worker.ts URI TOPIC GROUP resumable|load-balanced FILE
 */
import { appendFileSync } from 'node:fs';
import { connect, string } from '../../src/sdk/index.ts';

const [uri = '', topic = '', group = '', mode = '', file = ''] = process.argv.slice(2);
const client = await connect(uri);
const common = { topics: topic, group, value: string(), commit: { every: 5 } } as const;
const consumer = await client.consumer(
  mode === 'resumable' ? { ...common, mode: 'resumable' } : { ...common, mode: 'load-balanced' },
);
for await (const { value } of consumer) appendFileSync(file, `${value}\n`);
