/** `millrace topics list`. */
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, print } from './output.ts';
import type { TopicPage, TopicSummary } from './topic-answers.ts';

/** The largest page that the broker gives. */
const PAGE_LIMIT = 1000;

interface Options extends ClientOptions {
  readonly prefix?: string;
  readonly match?: string;
}

const EXAMPLES = `
Examples:
  $ millrace topics list
  $ millrace topics list --match 'shop/**/orders'
  $ millrace topics list --prefix shop/ --json | jq -r .name`;

export function registerList(topics: Command): void {
  withClientOptions(topics.command('list').description('list topics, sorted by name'))
    .option('--prefix <prefix>', 'only topics whose name begins so')
    .option('--match <glob>', 'only topics whose name matches, as in shop/*/orders')
    .addHelpText('after', EXAMPLES)
    .action(list);
}

/** Prints page by page, so that a million topics take no more memory than a thousand. */
async function list(options: Options): Promise<void> {
  await withClient(options, async (client) => {
    let heading = ['TOPIC', 'PARTITIONS'];
    for await (const page of pages(client, options)) {
      if (options.json) {
        await print(page.map((topic) => `${JSON.stringify(topic)}\n`).join(''));
      } else {
        const table = formatTable(heading.length > 0 ? heading : ['', ''], page.map(rowOf));
        await print(heading.length > 0 ? table : table.slice(table.indexOf('\n') + 1));
        heading = [];
      }
    }
  });
}

function rowOf(topic: TopicSummary): [string, number] {
  return [topic.name, topic.partitionCount];
}

async function* pages(client: ApiClient, { prefix, match }: Options): AsyncGenerator<readonly TopicSummary[]> {
  let cursor: string | undefined;
  do {
    const page = (await client.json('GET', '/v1/topics', {
      query: { prefix, match, limit: PAGE_LIMIT, cursor },
    })) as TopicPage;
    yield page.topics;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
