/**
 * kcat 1.7.1 (librdkafka 2.0.2): a program, so producing is a process per call and consuming one that is read from.
 *
 * Records go in with delimiters that no test record contains, one process for each run of records with the same headers;
 * they come out framed by their lengths, so any bytes survive.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  type ClientDriver,
  type ClientHeader,
  type ClientRecord,
  type ConsumerOptions,
  Inbox,
  type ReceivedRecord,
} from './driver.ts';

const RECORD_END = '~~|record|~~';
const KEY_END = '~~|key|~~';
/** Partition, offset, timestamp, key and value length (-1 null), headers; then the bytes. */
const FORMAT = '%p %o %T %K %S %h\\n%k%s\\n';
const HEAD = /^(\d+) (\d+) (-?\d+) (-?\d+) (-?\d+) (.*)$/;
const NEWLINE = 10;

export function kcatDriver(kcat: string): ClientDriver {
  return {
    name: 'kcat 1.7.1',
    key: 'kcat',
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    can: {
      binaryHeaders: false,
      repeatedHeaders: true,
      ownTimestamps: false,
      idempotent: true,
      outliveBroker: false,
      emptyValues: true,
      groupAdmin: false,
      staticMembers: true,
      cooperative: true,
      manyAborted: true,
    },

    async topics(broker) {
      const { topics } = JSON.parse((await run(kcat, ['-L', '-J', '-b', broker])).toString()) as {
        topics: { topic: string; partitions: unknown[] }[];
      };
      return new Map(topics.map(({ topic, partitions }) => [topic, partitions.length]));
    },

    producer(broker, { codec = 'none', acks = -1, idempotent = false } = {}) {
      const args = ['-P', '-b', broker, '-z', codec, '-X', `acks=${acks}`, '-X', `enable.idempotence=${idempotent}`];
      const limits = ['-X', 'message.max.bytes=10000000', '-D', RECORD_END, '-K', KEY_END];
      return Promise.resolve({
        async send(topic, records) {
          for (const group of groupRecords(records)) {
            const [first] = group as [ClientRecord, ...ClientRecord[]];
            const headers = first.headers.flatMap(([name, value]) => ['-H', `${name}=${value.toString()}`]);
            const place = first.partition === undefined ? [] : ['-p', String(first.partition)];
            const nulls = first.value === null ? ['-Z'] : [];
            await run(
              kcat,
              [...args, ...limits, ...headers, ...place, ...nulls, '-t', topic],
              Buffer.concat(group.map(toInput)),
            );
          }
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },

    consumer(broker, topic, options) {
      const settings = consumerSettings(options).flatMap((setting) => ['-X', setting]);
      const args = ['-b', broker, '-G', options.group, ...settings, '-u', '-f', FORMAT, topic];
      const child = spawn(kcat, args, { stdio: 'pipe' });
      const inbox = new Inbox();
      const ended = once(child, 'close');
      readRecords(child, inbox);
      return Promise.resolve({
        take: (count) => inbox.take(count),
        get waiting() {
          return inbox.waiting;
        },
        async [Symbol.asyncDispose]() {
          child.kill('SIGINT');
          await ended;
        },
      });
    },

    async offsetAt(broker, topic, timestamp) {
      const output = await run(kcat, ['-Q', '-b', broker, '-t', `${topic}:0:${timestamp}`]);
      return Number(/offset (-?\d+)/.exec(output.toString())?.[1]);
    },
  };
}

function consumerSettings(options: ConsumerOptions): string[] {
  const {
    autoCommit = true,
    readCommitted = false,
    instance,
    cooperative = false,
    sessionTimeoutMs = 10_000,
  } = options;
  return [
    'auto.offset.reset=earliest',
    `session.timeout.ms=${sessionTimeoutMs}`,
    'heartbeat.interval.ms=300',
    'fetch.wait.max.ms=100',
    'fetch.message.max.bytes=20000000',
    `enable.auto.commit=${autoCommit}`,
    `isolation.level=${readCommitted ? 'read_committed' : 'read_uncommitted'}`,
    ...(instance === undefined ? [] : [`group.instance.id=${instance}`]),
    ...(cooperative ? ['partition.assignment.strategy=cooperative-sticky'] : []),
  ];
}

/** Runs of records that one process can write: same headers and partition, and null values apart from others. */
function groupRecords(records: readonly ClientRecord[]): ClientRecord[][] {
  const groups: ClientRecord[][] = [];
  for (const record of records) {
    const last = groups.at(-1);
    if (last?.[0] !== undefined && likeness(last[0]) === likeness(record)) last.push(record);
    else groups.push([record]);
  }
  return groups;
}

function toInput({ key, value }: ClientRecord): Buffer {
  return Buffer.concat([
    key ?? Buffer.alloc(0),
    Buffer.from(key === null ? '' : KEY_END),
    value ?? Buffer.alloc(0),
    Buffer.from(RECORD_END),
  ]);
}

function readRecords(child: ChildProcess, inbox: Inbox): void {
  let bytes: Buffer = Buffer.alloc(0);
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    for (;;) {
      const parsed = parseRecord(bytes);
      if (parsed === undefined) return;
      inbox.put(parsed.record);
      bytes = bytes.subarray(parsed.sizeBytes);
    }
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  child.once('close', (code) => inbox.fail(new Error(`kcat ended with ${code}: ${errors}`)));
}

function parseRecord(bytes: Buffer): { record: ReceivedRecord; sizeBytes: number } | undefined {
  const headEnd = bytes.indexOf(NEWLINE);
  if (headEnd < 0) return undefined;
  const head = HEAD.exec(bytes.toString('utf8', 0, headEnd));
  if (head === null) throw new Error(`not the head of a record: ${bytes.toString('utf8', 0, headEnd)}`);
  const [partition, offset, timestamp, keyLength, valueLength] = head.slice(1, 6).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const keyEnd = headEnd + 1 + Math.max(0, keyLength);
  const valueEnd = keyEnd + Math.max(0, valueLength);
  if (bytes.length < valueEnd + 1) return undefined;
  const key = keyLength < 0 ? null : Buffer.from(bytes.subarray(headEnd + 1, keyEnd));
  const value = valueLength < 0 ? null : Buffer.from(bytes.subarray(keyEnd, valueEnd));
  const record = { key, value, headers: parseHeaders(head[6] ?? ''), timestamp, partition, offset };
  return { record, sizeBytes: valueEnd + 1 };
}

function parseHeaders(text: string): ClientHeader[] {
  if (text === '') return [];
  return text.split(',').map((header) => {
    const equals = header.indexOf('=');
    return [header.slice(0, equals), Buffer.from(header.slice(equals + 1))];
  });
}

/** @returns stdout. @throws Error with what it said on stderr where it fails. */
async function run(kcat: string, args: readonly string[], stdin = Buffer.alloc(0)): Promise<Buffer> {
  const child = spawn(kcat, args, { stdio: 'pipe', timeout: 60_000 });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  const said = Buffer.concat(stderr).toString();
  // It ends with 0 after a failed delivery, and says so.
  if (code !== 0 || /Delivery failed|ERROR/.test(said))
    throw new Error(`kcat ${args.join(' ')} ended with ${code}: ${said}`);
  return Buffer.concat(stdout);
}

function likeness({ headers, partition, value }: ClientRecord): string {
  return JSON.stringify([headers, partition, value === null]);
}
