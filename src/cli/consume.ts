/** `millrace consume`: reads records to the end of the topic, or follows it. */
import type { Command } from 'commander';
import { type ApiClient, type Query, topicPath } from './api-client.ts';
import { UsageError } from './failure.ts';
import { GroupCursor } from './group-cursor.ts';
import { type ClientOptions, integer, withClient, withClientOptions } from './options.ts';
import { parsePosition } from './position.ts';
import { Progress } from './progress.ts';
import { type RecordFormatter, recordFormatter } from './record-format.ts';
import {
  followRecords,
  NDJSON,
  printRecords,
  type RecordOptions,
  splitLines,
  withRecordOptions,
} from './record-stream.ts';
import type { PartitionState, TopicDetail } from './topic-answers.ts';

/** Records and bytes asked for in one request; the broker sends fewer where its own limits say so. */
const PAGE_RECORDS = 10_000;
const PAGE_BYTES = 4 * 1024 * 1024;

interface Options extends ClientOptions, RecordOptions {
  readonly from?: string;
  readonly partition?: number;
  readonly follow?: true;
  readonly group?: string;
}

const EXAMPLES = `
Examples:
  $ millrace consume demo/earthquakes --limit 10
  $ millrace consume demo/earthquakes --from -5 --follow
  $ millrace consume shop/orders --from 2026-11-20T08:00:00Z --json | jq .key
  $ millrace consume shop/orders --json | millrace produce shop/orders-copy --ndjson
  $ millrace consume shop/orders --group billing --limit 100

--from takes earliest (the default), latest (the default with --follow), an offset, an ISO 8601 time or @milliseconds,
or -N for the last N of each partition. Without --follow it ends at what was the end when it began. With --group it goes on
where the group's committed offsets stand (--from is for partitions that have none) and commits what it has printed; it is
no member of the group, and is refused while the group has some.`;

export function register(program: Command): void {
  withRecordOptions(
    withClientOptions(program.command('consume <topic>').description('read records: values as they are, one a line')),
  )
    .option('--from <position>', 'where to start')
    .option('--partition <number>', 'read one partition (default: all)', integer('--partition', 0, 2_147_483_647))
    .option('-f, --follow', 'go on with records as they come')
    .option('-g, --group <group>', 'go on from the offsets of this group, and commit what was printed')
    .addHelpText('after', EXAMPLES)
    .action(consume);
}

async function consume(topic: string, options: Options): Promise<void> {
  const start = parsePosition(options.from ?? (options.follow ? 'latest' : 'earliest'));
  const format = recordFormatter({ json: options.json === true, keySeparator: options.keySeparator });
  await withClient(options, async (client) => {
    const path = topicPath(topic, 'records');
    const query: Query = {
      ...start,
      partition: options.partition ?? 'all',
      // Values that are no UTF-8 come in base64 in every form, so plain output can restore their bytes.
      format: options.json ? options.values : 'text',
    };
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    if (options.group !== undefined) return await consumeAs(client, topic, options.group, query, options, format);
    if (options.follow) await followRecords(client, path, { ...query, limit: options.limit }, format);
    else await readToEnd(client, topic, query, format, limit);
  });
}

/** At least once: a record is committed after it was printed, so one that is printed twice may follow a crash. */
async function consumeAs(
  client: ApiClient,
  topic: string,
  group: string,
  start: Query,
  options: Options,
  format: RecordFormatter,
): Promise<void> {
  if (group === '') throw new UsageError('The group id is empty.');
  const cursor = await GroupCursor.open(client, group, topic, start);
  const query: Query = { format: start['format'], offsets: cursor.offsets };
  if (!options.follow) {
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    return await readToEnd(client, topic, query, format, limit, (next) => cursor.commit(next));
  }
  await cursor.whileFollowing(() =>
    followRecords(client, topicPath(topic, 'records'), { ...query, limit: options.limit }, format, (lines) => {
      cursor.printed(lines);
      return cursor.isFailed;
    }),
  );
}

/** Reads page by page to the ends that the partitions had at the beginning, so that it ends while others write. */
async function readToEnd(
  client: ApiClient,
  topic: string,
  start: Query,
  format: RecordFormatter,
  limit: number,
  printed: (next: readonly [partition: number, offset: number][]) => Promise<void> = async () => {},
): Promise<void> {
  const detail = (await client.json('GET', topicPath(topic))) as TopicDetail;
  const ends = endsOf(detail, start['partition']);
  const progress = process.stdout.isTTY ? undefined : new Progress('records');
  let query = start;
  let count = 0;
  try {
    while (count < limit) {
      const page = await client.text('GET', topicPath(topic, 'records'), {
        query: { ...query, limit: Math.min(limit - count, PAGE_RECORDS), maxBytes: PAGE_BYTES },
        accept: NDJSON,
      });
      const next = parseOffsets(String(page.headers['millrace-next-offsets'] ?? ''));
      count += await printRecords(splitLines(page.text), format);
      await printed(next);
      progress?.update(count);
      if (next.every(([partition, offset]) => offset >= (ends.get(partition) ?? 0))) return;
      const { offset: _offset, last: _last, timestamp: _timestamp, partition: _partition, ...rest } = query;
      query = { ...rest, offsets: next.map(([partition, offset]) => `${partition}:${offset}`).join(',') };
    }
  } finally {
    progress?.end();
  }
}

/** Partition to the end (exclusive) of what could be read when this command began. */
function endsOf(detail: TopicDetail, only: unknown): Map<number, number> {
  const wanted = (state: PartitionState) => only === 'all' || only === undefined || state.partition === only;
  return new Map(detail.partitions.filter(wanted).map((state) => [state.partition, state.highWatermark]));
}

/** `0:18,1:7`. */
function parseOffsets(text: string): [partition: number, offset: number][] {
  return text.split(',').flatMap((pair) => {
    const [partition, offset] = pair.split(':').map(Number);
    return partition !== undefined && offset !== undefined ? [[partition, offset] as [number, number]] : [];
  });
}
