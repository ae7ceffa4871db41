/** `millrace transactions abort`. */
import type { Command } from 'commander';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { printJson, printLine } from './output.ts';
import { type TransactionDetail, transactionPath } from './transaction-answers.ts';

const EXAMPLES = `
Its producer is fenced: a process that still runs must begin anew.

Example:
  $ millrace transactions abort pipeline-3`;

export function registerAbort(transactions: Command): void {
  withClientOptions(transactions.command('abort <id...>').description('abort what is open, and fence its producer'))
    .addHelpText('after', EXAMPLES)
    .action(abort);
}

async function abort(ids: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const id of ids) {
      const detail = (await client.json('POST', transactionPath(id, 'abort'))) as TransactionDetail;
      if (options.json) await printJson(detail);
      else await printLine(`aborted the transaction of ${id}`);
    }
  });
}
