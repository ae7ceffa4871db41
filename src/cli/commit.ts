/** `millrace commit`: records for several topics in one commit. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { type ClientOptions, oneOf, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';

interface Options extends ClientOptions {
  readonly ack: 'durable' | 'written' | 'admitted';
  readonly idempotencyKey?: string;
}

interface CommitAnswer {
  readonly writes: readonly {
    readonly topic: string;
    readonly count: number;
    readonly partitions: readonly { readonly partition: number; readonly baseOffset: number; readonly count: number }[];
  }[];
}

const EXAMPLES = `
Examples:
  $ echo '{"writes":[{"topic":"shop/orders","records":{"value":{"id":17}}},
                     {"topic":"shop/stock","records":{"value":{"sku":"x","by":-1}},"ifOffsetMatch":42}]}' | millrace commit
  $ millrace commit transfer.json --idempotency-key 4c1e0d0e

All of it is written, or nothing. What a write may say: docs/protocol.md, POST /v1/commit.`;

export function register(program: Command): void {
  withClientOptions(
    program.command('commit [file]').description('write records to several topics in one commit, from JSON'),
  )
    .option(
      '--ack <degree>',
      'wait until records are durable, written or admitted',
      oneOf('--ack', ['durable', 'written', 'admitted']),
      'durable',
    )
    .option('--idempotency-key <key>', 'write once, however often this command is repeated with the same input')
    .addHelpText('after', EXAMPLES)
    .action(commit);
}

async function commit(file: string | undefined, options: Options): Promise<void> {
  const body = file === undefined || file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  const headers = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey };
  await withClient(options, async (client) => {
    const request = { body, headers, query: { ack: options.ack } };
    const answer = (await client.json('POST', '/v1/commit', request)) as CommitAnswer;
    if (options.json) {
      await printJson(answer);
      return;
    }
    for (const { topic, count, partitions } of answer.writes) {
      const places = partitions.map((each) => `${each.partition}:${each.baseOffset}`).join(', ');
      await printLine(`wrote ${plural(count, 'record')} to ${topic} (${places === '' ? 'nowhere' : places})`);
    }
  });
}
