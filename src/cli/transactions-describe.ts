/** `millrace transactions describe`. */
import type { Command } from 'commander';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { print, printJson } from './output.ts';
import { sinceText, type TransactionDetail, transactionPath } from './transaction-answers.ts';

const EXAMPLES = `
Example:
  $ millrace transactions describe pipeline-3`;

export function registerDescribe(transactions: Command): void {
  withClientOptions(
    transactions.command('describe <id...>').description('show the producer, and what its transaction has written to'),
  )
    .addHelpText('after', EXAMPLES)
    .action(describe);
}

async function describe(ids: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const id of ids) {
      const detail = (await client.json('GET', transactionPath(id))) as TransactionDetail;
      if (options.json) await printJson(detail);
      else await print(format(detail));
    }
  });
}

function format(detail: TransactionDetail): string {
  const { transactionalId, state, producerId, producerEpoch, timeoutMs, startedAt, topics } = detail;
  const since = startedAt === null ? '' : ` since ${sinceText(startedAt)}`;
  const head = `${transactionalId}: ${state}${since}, producer ${producerId} epoch ${producerEpoch}, timeout ${timeoutMs} ms\n`;
  return head + topics.map(({ topic, partitions }) => `  ${topic}: ${partitions.join(', ')}\n`).join('');
}
