/** `millrace dump`: what a topic of any back end holds, as SeaStreamer prints it. */
import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import { nullable, raw } from '../sdk/index.ts';
import { connectSource } from './connect-source.ts';
import { UsageError } from './failure.ts';
import { integer } from './options.ts';
import { plural, print } from './output.ts';
import { parseTimestamp } from './position.ts';
import { recordJson } from './ss-json.ts';

interface Options {
  readonly output?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
}

const EXAMPLES = `
Examples:
  $ millrace dump redis://127.0.0.1/orders
  $ millrace dump kafka://127.0.0.1:9092/orders --since 2026-11-25T10:00:00Z --limit 10 | jq .payload
  $ millrace dump redis://127.0.0.1/orders --output orders.ndjson

It ends at what was the end when it began. --output writes the file anew.`;

export function register(program: Command): void {
  program
    .command('dump <uri>')
    .description('print the records of a topic of any system as NDJSON')
    .option('--output <file>', 'write there instead of stdout; what the file held is gone')
    .option('--since <time>', 'begin with the first record of this time or later')
    .option('--until <time>', 'leave out records of this time and later')
    .option('-n, --limit <count>', 'at most so many records', integer('--limit', 1, Number.MAX_SAFE_INTEGER))
    .addHelpText('after', EXAMPLES)
    .action(dump);
}

async function dump(uri: string, { output, since, until, limit = Number.POSITIVE_INFINITY }: Options): Promise<void> {
  const from = since === undefined ? 'earliest' : { timestamp: parseTimestamp('--since', since) };
  const before = until === undefined ? Number.POSITIVE_INFINITY : parseTimestamp('--until', until);
  const client = await connectSource(uri);
  try {
    if (client.topics.length === 0)
      throw new UsageError('Name a topic behind the address, as in redis://127.0.0.1/orders.');
    const consumer = await client.consumer({ from, until: 'end', key: raw(), value: nullable(raw()) });
    const file = output === undefined ? undefined : await open(output, 'w');
    let count = 0;
    try {
      for await (const { records } of consumer.batches()) {
        const wanted = records.filter(({ timestamp }) => timestamp < before).slice(0, limit - count);
        const text = wanted.map((record) => recordJson(record)).join('');
        if (file === undefined) await print(text);
        else await file.write(text);
        count += wanted.length;
        if (count >= limit) break;
      }
    } finally {
      await file?.close();
    }
    if (output !== undefined) process.stderr.write(`wrote ${plural(count, 'record')} to ${output}\n`);
  } finally {
    await client.close();
  }
}
