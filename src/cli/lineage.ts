/** `millrace lineage`: what caused a record, and what it caused. */
import type { Command } from 'commander';
import { parseRecordPosition } from '../model/record-position.ts';
import { UsageError } from './failure.ts';
import { type ClientOptions, integer, withClient, withClientOptions } from './options.ts';
import { formatTable, print, printJson, printLine } from './output.ts';

interface Options extends ClientOptions {
  readonly depth?: number;
}

interface Relative {
  readonly depth: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp?: number;
  readonly missing?: true;
}

interface Page {
  readonly ancestors: readonly Relative[];
  readonly descendants: readonly Relative[];
  readonly nextCursor: string | null;
  readonly complete: boolean;
}

const EXAMPLES = `
Examples:
  $ millrace lineage shop/orders/0/17
  $ millrace lineage shop/orders/0/17 --depth 100 --json | jq '.descendants[].topic'

The place of a record is TOPIC/PARTITION/OFFSET. A record names its cause in a header: produce --header millrace-parent=...`;

export function register(program: Command): void {
  withClientOptions(program.command('lineage <record>').description('show what caused a record, and what it caused'))
    .option('--depth <steps>', 'how far, up and down (default: 10)', integer('--depth', 1, 100))
    .addHelpText('after', EXAMPLES)
    .action(lineage);
}

async function lineage(place: string, options: Options): Promise<void> {
  const position = parseRecordPosition(place);
  if (position === undefined)
    throw new UsageError(`\`${place}\` is no place of a record: write TOPIC/PARTITION/OFFSET.`);
  const path = `/v1/records/${position.topic}/${position.partition}/${position.offset}/lineage`;
  await withClient(options, async (client) => {
    let isFirst = true;
    let complete = true;
    let cursor: string | undefined;
    do {
      const direction = isFirst ? 'both' : 'descendants';
      const query = { depth: options.depth, direction, cursor, limit: 1_000 };
      const page = (await client.json('GET', path, { query })) as Page;
      cursor = page.nextCursor ?? undefined;
      complete &&= page.complete;
      if (options.json) await printJson(page);
      else {
        const rows = [
          ...page.ancestors.toReversed().map((each) => row(each, -each.depth)),
          ...(isFirst ? [[0, position.topic, position.partition, position.offset, '']] : []),
          ...page.descendants.map((each) => row(each, each.depth)),
        ];
        const table = formatTable(['DEPTH', 'TOPIC', 'PARTITION', 'OFFSET', 'TIME'], rows);
        await print(isFirst ? table : table.slice(table.indexOf('\n') + 1));
      }
      isFirst = false;
    } while (cursor !== undefined);
    if (!complete && !options.json)
      await printLine('There may be more: the depth, or what the broker has looked at, ends here.');
  });
}

function row({ topic, partition, offset, timestamp, missing }: Relative, depth: number): (string | number)[] {
  const time = timestamp === undefined ? '' : new Date(timestamp).toISOString();
  return [depth, topic, partition, offset, missing === true ? 'not there' : time];
}
