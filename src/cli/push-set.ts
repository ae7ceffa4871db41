/** `millrace push set`. */
import type { Command } from 'commander';
import { type ClientOptions, integer, oneOf, withClient, withClientOptions } from './options.ts';
import { printJson, printLine } from './output.ts';
import { type PushDetail, pushPath } from './push-answers.ts';

interface Options extends ClientOptions {
  readonly url: string;
  readonly start?: 'earliest' | 'latest';
  readonly format?: 'text' | 'json' | 'base64';
  readonly maxRecords?: number;
  readonly maxBytes?: number;
  readonly concurrency?: number;
  readonly timeout?: number;
  readonly maxAttempts?: number;
  readonly deadLetters?: string;
}

const EXAMPLES = `
Examples:
  $ millrace push set billing 'shop/orders' --url https://billing.example.org/records
  $ millrace push set mail 'shop/**' --url http://127.0.0.1:8080/ --max-attempts 10 --dead-letters mail/failed

What an application answers: docs/protocol.md, "Push". The same command again changes what it asks for and not where it stands.`;

export function registerSet(push: Command): void {
  withClientOptions(
    push.command('set <id> <glob...>').description('deliver records of topics that match to an HTTP endpoint'),
  )
    .requiredOption('--url <url>', 'https://..., or http:// on this machine')
    .option('--start <where>', 'where to begin: earliest (default) or latest', oneOf('--start', ['earliest', 'latest']))
    .option(
      '--format <format>',
      'values as text (default), json or base64',
      oneOf('--format', ['text', 'json', 'base64']),
    )
    .option('--max-records <count>', 'of one delivery (default: 100)', integer('--max-records', 1, 10_000))
    .option('--max-bytes <bytes>', 'of one delivery, about (default: 256 KiB)', integer('--max-bytes', 1, 1_048_576))
    .option('--concurrency <count>', 'deliveries at once (default: 5)', integer('--concurrency', 1, 64))
    .option('--timeout <ms>', 'for an answer (default: 30000)', integer('--timeout', 100, 120_000))
    .option('--max-attempts <count>', 'failures of a record before --dead-letters', integer('--max-attempts', 1, 1_000))
    .option('--dead-letters <topic>', 'where records go that are never taken')
    .addHelpText('after', EXAMPLES)
    .action(set);
}

async function set(id: string, globs: readonly string[], options: Options): Promise<void> {
  const { url, start, format, maxRecords, maxBytes, concurrency, timeout, maxAttempts, deadLetters } = options;
  const body = {
    match: globs,
    url,
    start,
    format,
    maxRecords,
    maxBytes,
    concurrency,
    timeoutMs: timeout,
    maxAttempts,
    deadLetterTopic: deadLetters,
  };
  await withClient(options, async (client) => {
    const push = (await client.json('PUT', pushPath(id), { body })) as PushDetail;
    if (options.json) await printJson(push);
    else
      await printLine(`${push.id} delivers ${push.match.join(', ')} to ${push.url}${push.paused ? ' (paused)' : ''}`);
  });
}
