/** `stdio://`: records as lines of standard input and output, so that programs join in Unix pipes. */
import { Readable, Writable } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendLoader, Offsets, Reader, ReaderOptions, WriteBatch, Writer } from '../../backend.ts';
import type { RawRecord } from '../../record.ts';
import { type HubReader, StdioHub } from './hub.ts';
import { encodeLines } from './line-output.ts';

const hubs = new WeakMap<Readable, StdioHub>();
/** Next sequence of each stream and shard that this process writes, per output. */
const counters = new WeakMap<Writable, Map<string, bigint>>();
const KEY = /^[a-zA-Z0-9._-]{1,249}$/;
const LINE_FEED = 0x0a;

export const openStdio: BackendLoader = async ({ clock, library }) => {
  const input = library['input'] instanceof Readable ? library['input'] : process.stdin;
  const output = library['output'] instanceof Writable ? library['output'] : process.stdout;
  return {
    name: 'stdio',
    features: {
      keys: false,
      headers: false,
      tombstones: false,
      partitions: true,
      seek: false,
      resumable: false,
      loadBalanced: true,
      acknowledgesRecords: false,
      transactions: false,
      conditionalAppends: false,
      offsetsFromZero: false,
    },
    admin: undefined,
    openWriter: async () => stdioWriter(output),
    openReader: async (options) => stdioReader(hubOf(input, clock), options),
    close: async () => undefined,
  };
};

function hubOf(input: Readable, clock: Clock): StdioHub {
  let hub = hubs.get(input);
  if (hub === undefined) {
    hub = new StdioHub(input, clock);
    hubs.set(input, hub);
  }
  return hub;
}

function stdioReader(hub: StdioHub, options: ReaderOptions): Reader {
  const { mode, topics, partitions } = options;
  const reader: HubReader = { topics, group: mode.type === 'real-time' ? undefined : mode.group, queue: [] };
  let wanted = partitions;
  let closed = false;
  hub.add(reader);
  return {
    async read({ maxRecords, signal }) {
      let records: RawRecord[] = [];
      await hub.changed.until(() => {
        if (closed) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
        records = reader.queue.splice(0, maxRecords);
        if (wanted !== undefined)
          records = records.filter((record) =>
            wanted?.some(({ topic, partition }) => record.topic === topic && record.partition === partition),
          );
        if (records.length === 0 && hub.failure !== undefined) throw hub.failure;
        return records.length > 0 || hub.ended;
      }, signal);
      hub.resume();
      return records.length > 0 ? records : undefined;
    },
    mark: () => undefined,
    partitions: () => undefined,
    commit: async () => undefined,
    seek: noSeek,
    async assign(places) {
      wanted = places;
    },
    async close() {
      closed = true;
      hub.remove(reader);
      hub.changed.all();
    },
  };
}

function stdioWriter(output: Writable): Writer {
  const sequences = counters.get(output) ?? new Map<string, bigint>();
  counters.set(output, sequences);
  return {
    partitionCount: async () => 1,
    async write(batches) {
      const pieces: Buffer[] = [];
      const outcomes = batches.map((batch) => encode(batch, sequences, pieces));
      const [first] = pieces;
      if (first !== undefined) await writeOut(output, pieces.length === 1 ? first : Buffer.concat(pieces));
      return outcomes;
    },
    close: async () => undefined,
  };
}

/** A batch that holds what no line can is refused whole. */
function encode(
  { topic, partition, records }: WriteBatch,
  sequences: Map<string, bigint>,
  pieces: Buffer[],
): Offsets | Error {
  if (!KEY.test(topic))
    return new MillraceError(
      'CLIENT_OPTION_INVALID',
      `${JSON.stringify(topic)} is no stream key: a pipe takes a-z, A-Z, 0-9, ".", "_" and "-".`,
    );
  if (records.some(({ value }) => value?.includes(LINE_FEED) === true))
    return new MillraceError(
      'CLIENT_ENCODE_FAILED',
      'A value has a line feed, and in a pipe a record is one line: write it as JSON.',
    );
  const name = `${topic}/${partition}`;
  const first = sequences.get(name) ?? 0n;
  pieces.push(encodeLines(records, topic, first, partition));
  sequences.set(name, first + BigInt(records.length));
  return (index) => first + BigInt(index);
}

async function writeOut(output: Writable, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    output.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else
        reject(
          new MillraceError('CLIENT_CLOSED', `Whoever reads the output has gone: ${error.message}`, { cause: error }),
        );
    });
  });
}

async function noSeek(): Promise<never> {
  throw new MillraceError('CLIENT_UNSUPPORTED', 'A pipe cannot go back: stdio:// has no seek.');
}
