/** `file://`: streams in a `.ss` file, as SeaStreamer writes and reads them. Partitions are its shards, offsets its sequence numbers. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendLoader, TopicFacts } from '../../backend.ts';
import { booleanOption, numberOption, wordOption } from '../../uri.ts';
import { FileReader } from './reader.ts';
import { isEndOfStream, SS_DEFAULT_INTERVAL, SS_HEADER_BYTES } from './ss-format.ts';
import { fileError, readSsHeader, scanSs } from './ss-scan.ts';
import { acquireSsWriter, releaseSsWriter, type SsWriterOptions } from './ss-writer.ts';

const DEFAULT_MAX_BYTES = 16 * 1024 ** 3;

export const openFile: BackendLoader = async ({ uri, clock }) => {
  const file = path.resolve(uri.path);
  const options: SsWriterOptions = {
    create: wordOption(uri, 'create', ['if-missing', 'only', 'never'], 'if-missing'),
    beaconInterval: numberOption(uri, 'beacon-interval', SS_DEFAULT_INTERVAL, 1024),
    maxBytes: numberOption(uri, 'max-bytes', DEFAULT_MAX_BYTES, 1024),
    eos: booleanOption(uri, 'eos', false),
    clock,
  };
  const shards = numberOption(uri, 'shards', 1, 1);
  return {
    name: 'file',
    features: {
      keys: false,
      headers: false,
      tombstones: false,
      partitions: true,
      seek: true,
      resumable: true,
      loadBalanced: true,
      acknowledgesRecords: false,
      transactions: false,
      conditionalAppends: false,
      offsetsFromZero: false,
    },
    admin: {
      createTopic: async () => await refuse('creates a stream with its first message'),
      deleteTopic: async () => await refuse('keeps every message; delete the file instead'),
      listTopics: async () => [...(await facts(file)).keys()].sort(),
      async describeTopic(topic) {
        const found = (await facts(file)).get(topic);
        if (found === undefined)
          throw new MillraceError('CLIENT_TOPIC_NOT_FOUND', `${file} has no stream ${topic}.`, { details: { topic } });
        return found;
      },
    },
    async openWriter({ acks }) {
      const writer = await acquireSsWriter(file, options);
      return {
        ordered: true,
        partitionCount: async () => shards,
        write: async (batches) => await writer.write(batches, acks === 'all'),
        close: async () => await releaseSsWriter(writer),
      };
    },
    openReader: async (readerOptions) => await FileReader.open({ path: file, clock }, readerOptions),
    close: async () => undefined,
  };
};

async function refuse(why: string): Promise<never> {
  throw new MillraceError('CLIENT_UNSUPPORTED', `A .ss file ${why}.`);
}

/** Reads the whole file: beacons may leave streams out. */
async function facts(file: string): Promise<Map<string, TopicFacts>> {
  const topics = new Map<string, Map<number, { startOffset: bigint; endOffset: bigint }>>();
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw fileError(error, file, 'Reading');
  });
  try {
    const header = await readSsHeader(handle);
    for await (const item of scanSs({ handle, header }, SS_HEADER_BYTES, (await handle.stat()).size)) {
      if (item.type !== 'message' || isEndOfStream(item.message)) continue;
      const { key, shard, sequence } = item.message;
      const shards = topics.get(key) ?? new Map<number, { startOffset: bigint; endOffset: bigint }>();
      topics.set(key, shards);
      const known = shards.get(shard);
      if (known === undefined) shards.set(shard, { startOffset: sequence, endOffset: sequence + 1n });
      else known.endOffset = sequence + 1n;
    }
  } finally {
    await handle.close();
  }
  return new Map(
    [...topics].map(([topic, shards]) => [
      topic,
      {
        topic,
        partitions: [...shards].sort(([a], [b]) => a - b).map(([partition, range]) => ({ partition, ...range })),
      },
    ]),
  );
}
