/** `millrace transactions list`. */
import { type Command, Option } from 'commander';
import type { ApiClient } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, print } from './output.ts';
import { sinceText, type TransactionPage, type TransactionSummary } from './transaction-answers.ts';

/** The largest page that the broker gives. */
const PAGE_LIMIT = 1000;

interface Options extends ClientOptions {
  readonly prefix?: string;
  readonly state?: string;
}

const EXAMPLES = `
Examples:
  $ millrace transactions list --state ongoing
  $ millrace transactions list --prefix pipeline- --json | jq -r .transactionalId`;

export function registerList(transactions: Command): void {
  withClientOptions(transactions.command('list').description('list transactional ids, sorted, and what they do'))
    .option('--prefix <prefix>', 'only ids that begin so')
    .addOption(
      new Option('--state <state>', 'only ids in this state').choices(['empty', 'ongoing', 'committed', 'aborted']),
    )
    .addHelpText('after', EXAMPLES)
    .action(list);
}

async function list(options: Options): Promise<void> {
  await withClient(options, async (client) => {
    let isFirst = true;
    for await (const page of pages(client, options)) {
      if (options.json) await print(page.map((each) => `${JSON.stringify(each)}\n`).join(''));
      else {
        const table = formatTable(['ID', 'STATE', 'PRODUCER', 'SINCE'], page.map(rowOf));
        await print(isFirst ? table : table.slice(table.indexOf('\n') + 1));
        isFirst = false;
      }
    }
  });
}

function rowOf({ transactionalId, state, producerId, startedAt }: TransactionSummary): (string | number)[] {
  return [transactionalId, state, producerId, sinceText(startedAt)];
}

async function* pages(client: ApiClient, { prefix, state }: Options): AsyncGenerator<readonly TransactionSummary[]> {
  let cursor: string | undefined;
  do {
    const query = { prefix, state, limit: PAGE_LIMIT, cursor };
    const page = (await client.json('GET', '/v1/transactions', { query })) as TransactionPage;
    yield page.transactions;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
