/** `millrace produce`: lines or whole files become records, in order, a batch per request. */
import { createReadStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { MillraceError } from '../base/errors.ts';
import type { Query } from './api-client.ts';
import type { Address } from './bench/raw-socket.ts';
import { parseDuration } from './duration.ts';
import { UsageError } from './failure.ts';
import { parseKafkaAddress } from './kafka/address.ts';
import { IdempotentWriter } from './kafka/idempotent-writer.ts';
import { ProducerSession } from './kafka/producer-session.ts';
import { assignment, type ClientOptions, collect, integer, oneOf, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';
import { parseTimestamp } from './position.ts';
import { Progress } from './progress.ts';
import { readLines } from './read-lines.ts';
import { lineConverter } from './record-lines.ts';
import { RecordWriter } from './record-writer.ts';

const STDIN = '-';
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const DEFAULT_KAFKA: Address = { host: '127.0.0.1', port: 9092 };
const DEFAULT_TRANSACTION_MS = 60_000;
const EXPECTED_ENDS = /^(?:\d+|\d+:\d+(?:,\d+:\d+)*)$/;
const FILE_PIECE_BYTES = 256 * 1024;

interface Options extends ClientOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly header?: readonly string[];
  readonly timestamp?: string;
  readonly partition?: number;
  readonly ndjson?: true;
  readonly whole?: true;
  readonly ack: 'durable' | 'written' | 'admitted';
  readonly ifOffset?: string;
  readonly idempotencyKey?: string;
  readonly idempotent?: true;
  readonly transactionalId?: string;
  readonly transactionTimeout?: number;
  readonly commitEvery?: number;
  readonly kafka: Address;
}

/** Where the records go; `send` is for whole files over HTTP. */
type Writer = RecordWriter | IdempotentWriter;

const EXAMPLES = `
Examples:
  $ echo 'hello' | millrace produce demo/greetings
  $ millrace produce shop/orders orders.txt --key-separator : --header source=import
  $ echo '{"key":"o-17","value":{"total":12.5},"headers":{"trace":"1"}}' | millrace produce shop/orders --ndjson
  $ millrace produce pictures cat.jpg dog.jpg --whole
  $ millrace produce shop/orders orders.ndjson --ndjson --transactional-id import-orders

Each line is one record, its value as it is. With --ndjson each line is an object with value and optionally key,
headers, partition and timestamp: what \`consume --json\` prints.`;

export function register(program: Command): void {
  const command = program
    .command('produce <topic> [files...]')
    .description('write records from files, or from stdin without files (or for -)');
  withClientOptions(command)
    .option('--key <key>', 'key of every record')
    .option('--key-separator <text>', 'the key stands before the first <text> of a line, the value behind it')
    .option('--header <name=value>', 'a header of every record; may be repeated', collect)
    .option('--timestamp <time>', 'timestamp of every record: ISO 8601 or @milliseconds (default: now)')
    .option(
      '--partition <number>',
      'partition of every record (default: by key, else spread)',
      integer('--partition', 0, 2_147_483_647),
    )
    .option('--ndjson', 'every line is a record as a JSON object')
    .option('--whole', 'every file is the value of one record')
    .option(
      '--ack <degree>',
      'wait until records are durable, written or admitted',
      oneOf('--ack', ['durable', 'written', 'admitted']),
      'durable',
    )
    .option('--if-offset <offset>', 'write only if the log still ends there: an offset, or PARTITION:OFFSET,...')
    .option('--idempotency-key <key>', 'write once, however often this command is repeated with the same input')
    .option('--idempotent', 'over the Kafka protocol: what has to be sent again is stored once')
    .option(
      '--transactional-id <id>',
      'all of the input in one transaction: readers of committed records see it at once, or never',
    )
    .option(
      '--transaction-timeout <duration>',
      'the broker aborts a transaction that is open for longer (default: 60s)',
      (text) => parseDuration('--transaction-timeout', text),
    )
    .option(
      '--commit-every <records>',
      'commit after so many records, and begin the next transaction',
      integer('--commit-every', 1, 1_000_000_000),
    )
    .addOption(
      new Option('--kafka <host:port>', 'Kafka address of the broker, for --idempotent and --transactional-id')
        .argParser(parseKafkaAddress)
        .env('MILLRACE_KAFKA')
        .default(DEFAULT_KAFKA, '127.0.0.1:9092'),
    )
    .addHelpText('after', EXAMPLES)
    .action(produce);
}

async function produce(topic: string, files: readonly string[], options: Options): Promise<void> {
  checkOptions(options);
  const inputs = files.length === 0 ? [STDIN] : files;
  if (isIdempotent(options)) {
    await produceIdempotently(topic, inputs, options);
    return;
  }
  await withClient(options, async (client) => {
    const { ack, partition } = options;
    const writer = new RecordWriter(client, topic, { ack, partition }, conditions(options));
    await (options.whole ? sendWhole(writer, inputs, options) : sendLines(writer, inputs, options));
    await report(writer, topic, options);
  });
}

function isIdempotent({ idempotent, transactionalId }: Options): boolean {
  return idempotent === true || transactionalId !== undefined;
}

async function produceIdempotently(topic: string, inputs: readonly string[], options: Options): Promise<void> {
  const { transactionalId, partition, commitEvery, kafka: address } = options;
  const transactionTimeoutMs = options.transactionTimeout ?? DEFAULT_TRANSACTION_MS;
  const session = new ProducerSession({ address, transactionalId, transactionTimeoutMs });
  const transactional = transactionalId !== undefined;
  const writer = new IdempotentWriter({ session, topic, transactional, partition, commitEvery, now: Date.now });
  const stop = new AbortController();
  // Without a transaction a signal just ends the process: what was acknowledged stays.
  const onSignal = (): void => stop.abort();
  if (transactional) for (const signal of STOP_SIGNALS) process.once(signal, onSignal);
  try {
    await session.begin();
    await (options.whole ? sendWhole(writer, inputs, options) : sendLines(writer, inputs, options, stop.signal));
    await writer.commit();
    await report(writer, topic, options);
  } catch (error) {
    // Should it fail as well, the broker aborts by itself when the timeout is over.
    await writer.abort().catch(() => undefined);
    throw stop.signal.aborted ? interrupted(writer.count) : error;
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
    session.close();
  }
}

function interrupted(count: number): MillraceError {
  return new MillraceError(
    'CLIENT_ABORTED',
    `Interrupted: the open transaction was aborted after ${plural(count, 'record')} in all.`,
  );
}

/** Headers of a write that is one request, and all of the input. */
function conditions({ ifOffset, idempotencyKey }: Options): Record<string, string> | undefined {
  if (ifOffset === undefined && idempotencyKey === undefined) return undefined;
  return {
    ...(ifOffset === undefined ? {} : { 'if-offset-match': ifOffset }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
  };
}

function checkOptions(options: Options): void {
  const perLine = ['key', 'keySeparator', 'header', 'timestamp'] as const;
  const clash = perLine.find((name) => options.ndjson && options[name] !== undefined);
  if (clash !== undefined)
    throw new UsageError(`--ndjson lines carry key, headers and timestamp themselves: leave out --${kebab(clash)}.`);
  if (options.key !== undefined && options.keySeparator !== undefined)
    throw new UsageError('Give --key or --key-separator, not both.');
  if (options.keySeparator === '') throw new UsageError('--key-separator must not be empty.');
  if (options.whole && (options.ndjson || options.keySeparator !== undefined)) {
    throw new UsageError('--whole takes no lines apart: leave out --ndjson and --key-separator.');
  }
  if (options.ifOffset !== undefined && !EXPECTED_ENDS.test(options.ifOffset))
    throw new UsageError(
      `--if-offset must be an offset, or PARTITION:OFFSET pairs like 0:17,2:5, not \`${options.ifOffset}\`.`,
    );
  checkTransaction(options);
}

function checkTransaction(options: Options): void {
  const { transactionalId, ack } = options;
  if (transactionalId === '') throw new UsageError('--transactional-id must not be empty.');
  const alone = (['transactionTimeout', 'commitEvery'] as const).find((name) => options[name] !== undefined);
  if (transactionalId === undefined && alone !== undefined) {
    throw new UsageError(`--${kebab(alone)} is for transactions: give --transactional-id too.`);
  }
  if (!isIdempotent(options)) return;
  const which = transactionalId === undefined ? '--idempotent' : '--transactional-id';
  if (ack !== 'durable') throw new UsageError(`${which} waits until records are durable: leave out --ack ${ack}.`);
  if (conditions(options) !== undefined) {
    throw new UsageError(`${which} goes over the Kafka protocol, which has no --if-offset and no --idempotency-key.`);
  }
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function sendLines(
  writer: Writer,
  inputs: readonly string[],
  options: Options,
  signal?: AbortSignal,
): Promise<void> {
  const format = {
    ndjson: options.ndjson === true,
    key: options.key,
    keySeparator: options.keySeparator,
    headers: headersOf(options),
    timestamp: timestampOf(options),
  };
  const progress = new Progress('bytes', totalBytes(inputs));
  let bytesBefore = 0;
  try {
    for (const input of inputs) {
      const name = input === STDIN ? 'stdin' : input;
      const convert = lineConverter(format, name);
      let bytesRead = 0;
      for await (const block of readLines(openInput(input, signal), name)) {
        for (const [index, bytes] of block.lines.entries()) {
          if (options.ndjson && bytes.length === 0) continue;
          const line = block.firstLine + index;
          await writer.write(convert(bytes, line), { input: name, line });
        }
        // A person or a slow program at the other end of stdin wants each line to arrive, not the batch to fill.
        if (input === STDIN && conditions(options) === undefined) await writer.flush();
        bytesRead = block.bytesRead;
        progress.update(bytesBefore + bytesRead, plural(writer.count, 'record'));
      }
      bytesBefore += bytesRead;
    }
    await writer.flush();
  } finally {
    progress.end();
  }
}

function openInput(input: string, signal: AbortSignal | undefined): AsyncIterable<Buffer> {
  const stream = input === STDIN ? process.stdin : createReadStream(input, { highWaterMark: FILE_PIECE_BYTES });
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

/** Known in advance only when all inputs are regular files. */
function totalBytes(inputs: readonly string[]): number | undefined {
  let total = 0;
  for (const input of inputs) {
    const stats = input === STDIN ? undefined : statSync(input);
    if (stats?.isDirectory()) throw new UsageError(`${input} is a directory, and a file is needed here.`);
    if (stats === undefined || !stats.isFile()) return undefined;
    total += stats.size;
  }
  return total;
}

async function sendWhole(writer: Writer, inputs: readonly string[], options: Options): Promise<void> {
  const progress = new Progress('files', inputs.length);
  const timestamp = timestampOf(options);
  const query: Query = { timestamp };
  const headers: Record<string, string> = Object.fromEntries(
    headersOf(options).map(([name, value]) => [`Millrace-Header-${name}`, encodeURIComponent(value)]),
  );
  if (options.key !== undefined) headers['Millrace-Key'] = encodeURIComponent(options.key);
  try {
    for (const [index, input] of inputs.entries()) {
      const value = input === STDIN ? await buffer(process.stdin) : await readFile(input);
      if (writer instanceof RecordWriter) {
        await writer.send({ body: value, contentType: 'application/octet-stream', query, headers });
      } else {
        await writer.write(wholeRecord(value, options));
        await writer.flush();
      }
      progress.update(index + 1);
    }
  } finally {
    progress.end();
  }
}

function wholeRecord(value: Buffer, options: Options): string {
  const headers = headersOf(options).map(([name, text]) => ({ name, value: text }));
  const timestamp = timestampOf(options);
  const { key = null } = options;
  return JSON.stringify({
    key,
    valueBase64: value.toString('base64'),
    headers,
    ...(timestamp === undefined ? {} : { timestamp }),
  });
}

function headersOf(options: Options): [string, string][] {
  return (options.header ?? []).map((text) => assignment('--header', text));
}

function timestampOf(options: Options): number | undefined {
  return options.timestamp === undefined ? undefined : parseTimestamp('--timestamp', options.timestamp);
}

async function report(writer: Writer, topic: string, options: Options): Promise<void> {
  const partitions = [...writer.partitions].sort((a, b) => a.partition - b.partition);
  if (options.json) {
    await printJson({ topic: writer.topic, count: writer.count, partitions });
    return;
  }
  const MOST = 4;
  const places = partitions
    .slice(0, MOST)
    .map((p) => `partition ${p.partition} offsets ${p.firstOffset}-${p.lastOffset}`);
  if (partitions.length > MOST) places.push(`${partitions.length - MOST} more`);
  const suffix = places.length > 0 ? ` (${places.join(', ')})` : '';
  await printLine(`wrote ${plural(writer.count, 'record')} to ${writer.topic ?? topic}${suffix}`);
}
