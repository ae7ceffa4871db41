/** `millrace relay`: copies records from any back end of the SDK to any other. */
import type { Command } from 'commander';
import {
  type Client,
  type ConsumedRecord,
  type Consumer,
  connect,
  nullable,
  type Producer,
  raw,
} from '../sdk/index.ts';
import { connectSource } from './connect-source.ts';
import { UsageError } from './failure.ts';
import { oneOf } from './options.ts';
import { plural } from './output.ts';
import { Progress } from './progress.ts';

interface Options {
  readonly from: string;
  readonly to: string;
  readonly offset?: 'start' | 'end';
  readonly untilEnd?: true;
  readonly group?: string;
  readonly drop?: true;
  readonly quiet?: true;
}

type Bytes = Uint8Array | null;
const BYTES = nullable(raw());

const EXAMPLES = `
Examples:
  $ millrace relay --from kafka://127.0.0.1:9092/orders --to file:///backup/orders.ss/orders --offset start --until-end
  $ millrace clock | millrace relay --from stdio:///clock --to kafka://127.0.0.1:9092/clock
  $ millrace relay --from redis://127.0.0.1/orders --to kafka://127.0.0.1:9092 --group mover

Keys, values, headers and times are copied as bytes; partitions are chosen anew, by key. Where --to names no topic, records
keep theirs. With --group the relay goes on where it was, also after a crash: a position is committed once its records are
written, so none is lost and the last ones may come twice.`;

export function register(program: Command): void {
  program
    .command('relay')
    .description('copy records from one system to another')
    .requiredOption('--from <uri>', 'where to read: kafka://, millrace://, redis://, http://, file://, stdio://')
    .requiredOption('--to <uri>', 'where to write')
    .option(
      '--offset <place>',
      'where to start: start or end (default: end; with --group: start)',
      oneOf('--offset', ['start', 'end']),
    )
    .option('--until-end', 'stop at what is the end now')
    .option('--group <name>', 'commit positions under this name, and go on from there')
    .option('--drop', 'leave out keys and headers where the target cannot keep them (default: refuse)')
    .option('--quiet', 'say nothing at the end')
    .addHelpText('after', EXAMPLES)
    .action(relay);
}

async function relay(options: Options): Promise<void> {
  if (options.from === options.to && !options.from.startsWith('stdio:'))
    throw new UsageError('--from and --to are the same: the relay would read what it writes, for ever.');
  const source = await connectSource(options.from);
  try {
    const target = await connect(options.to);
    try {
      await copy(source, target, options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copy(source: Client, target: Client, options: Options): Promise<void> {
  if (source.topics.length === 0)
    throw new UsageError('--from names no topic: write it behind the address, as in kafka://127.0.0.1:9092/orders.');
  if (target.topics.length > 1) throw new UsageError('--to names several topics; name one, or none to keep the names.');
  const consumer = await openConsumer(source, options);
  const stop = (): void => void consumer.close().catch(() => undefined);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const producer = await target.producer({
    key: raw(),
    value: BYTES,
    unstorable: options.drop === true ? 'drop' : 'refuse',
  });
  const progress = new Progress('records');
  let count = 0;
  try {
    for await (const { records } of consumer.batches()) {
      // Asking for the next batch commits this one, so all of it must be written first.
      count += await write(producer, records, target.topics[0]);
      progress.update(count);
    }
  } finally {
    progress.end();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
  if (options.quiet !== true) process.stderr.write(`relayed ${plural(count, 'record')}\n`);
}

async function write(
  producer: Producer<Bytes, Uint8Array>,
  records: readonly ConsumedRecord<Bytes, Uint8Array, undefined>[],
  topic: string | undefined,
): Promise<number> {
  for (const { key, value, headers, timestamp, topic: own } of records)
    await producer.submit({ topic: topic ?? own, key, value, headers, timestamp });
  await producer.flush();
  return records.length;
}

async function openConsumer(source: Client, options: Options): Promise<Consumer<Bytes, Uint8Array>> {
  const start = options.offset ?? (options.group === undefined ? 'end' : 'start');
  const common = {
    key: raw(),
    value: BYTES,
    from: start === 'start' ? 'earliest' : 'latest',
    until: options.untilEnd === true ? 'end' : undefined,
  } as const;
  if (options.group === undefined) return await source.consumer(common);
  return await source.consumer({ ...common, mode: 'resumable', group: options.group });
}
