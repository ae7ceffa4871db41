/** `http://` and `https://`: the HTTP interface of Millrace, with fetch alone, so it works in browsers too. */
import { MillraceError } from '../../../base/errors.ts';
import type { Backend, BackendLoader, Offsets, WriteBatch } from '../../backend.ts';
import type { EncodedRecord } from '../../record.ts';
import { hostsOf } from '../../uri.ts';
import { type Api, persist, request, topicPath } from './api.ts';
import { encodeBase64 } from './base64.ts';
import { HttpReader, type TopicJson } from './reader.ts';

const DEFAULT_PORT = 7123;
const ACKS = { all: 'durable', leader: 'written', none: 'admitted' } as const;

interface WriteJson {
  readonly partitions: readonly { readonly baseOffset?: number }[];
}

interface TopicsJson {
  readonly topics: readonly { readonly name: string }[];
  readonly nextCursor: string | null;
}

export const openHttp: BackendLoader = async ({ uri, clock, library }) => {
  const [node, ...others] = hostsOf(uri, DEFAULT_PORT);
  if (node === undefined || others.length > 0)
    throw new MillraceError('CLIENT_URI_INVALID', 'Over HTTP, name one node.');
  const host = node.host.includes(':') ? `[${node.host}]` : node.host;
  const api: Api = {
    origin: `${uri.scheme}://${host}:${node.port}`,
    clock,
    headers: {
      ...credentials(uri.username, uri.password),
      ...(library['headers'] as Record<string, string> | undefined),
    },
  };
  await request(api, '/health/live');
  return httpBackend(api);
};

function httpBackend(api: Api): Backend {
  return {
    name: 'http',
    features: {
      keys: true,
      headers: true,
      tombstones: true,
      partitions: true,
      seek: true,
      resumable: false,
      loadBalanced: false,
      acknowledgesRecords: false,
      transactions: false,
    },
    admin: {
      async createTopic(topic, { partitions, config }) {
        await request(api, '/v1/topics', {
          method: 'POST',
          body: { name: topic, ...(partitions === undefined ? {} : { partitions }), config: config ?? {} },
        });
      },
      async deleteTopic(topic) {
        await request(api, topicPath(topic), { method: 'DELETE' });
      },
      listTopics: async () => await listTopics(api),
      async describeTopic(topic) {
        const { partitions } = await request<TopicJson>(api, topicPath(topic));
        return {
          topic,
          partitions: partitions.map(({ partition, logStartOffset, highWatermark }) => ({
            partition,
            startOffset: BigInt(logStartOffset),
            endOffset: BigInt(highWatermark),
          })),
        };
      },
    },
    openWriter: async ({ acks }) => ({
      partitionCount: async (topic) => await partitionCount(api, topic),
      write: async (batches) => await Promise.all(batches.map(async (batch) => await write(api, batch, ACKS[acks]))),
      close: async () => undefined,
    }),
    openReader: async (options) => await HttpReader.open(api, options),
    close: async () => undefined,
  };
}

/** A topic that is not there yet gets its number of partitions when it is made, by the first write. */
async function partitionCount(api: Api, topic: string): Promise<number> {
  try {
    return (await persist<TopicJson>(api, topicPath(topic), {})).partitions.length;
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'CLIENT_TOPIC_NOT_FOUND') return 1;
    throw error;
  }
}

/** Not tried again when no answer came: it may be written, and over HTTP a second write would be a second record. */
async function write(api: Api, { topic, partition, records }: WriteBatch, ack: string): Promise<Offsets | Error> {
  try {
    const path = topicPath(topic, `/records?partition=${partition}&ack=${ack}`);
    const answer = await request<WriteJson>(api, path, { method: 'POST', body: records.map(recordJson) });
    const baseOffset = answer.partitions[0]?.baseOffset;
    return (index) => (baseOffset === undefined ? -1n : BigInt(baseOffset + index));
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    if (error.code !== 'CLIENT_NETWORK') return error;
    return new MillraceError(error.code, `${error.message} It is unknown whether the records were written.`, {
      details: error.details,
      cause: error,
    });
  }
}

function recordJson({ key, value, headers, timestamp }: EncodedRecord): object {
  return {
    ...(key === null ? {} : { keyBase64: encodeBase64(key) }),
    ...(value === null ? { value: null } : { valueBase64: encodeBase64(value) }),
    ...(headers.length === 0
      ? {}
      : {
          headers: headers.map((header) =>
            header.value === null
              ? { name: header.key, value: null }
              : { name: header.key, valueBase64: encodeBase64(header.value) },
          ),
        }),
    timestamp,
  };
}

async function listTopics(api: Api): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: TopicsJson = await request<TopicsJson>(api, `/v1/topics?limit=1000${query}`);
    names.push(...page.topics.map(({ name }) => name));
    cursor = page.nextCursor;
  }
  return names;
}

function credentials(username: string | undefined, password: string | undefined): Record<string, string> {
  if (username === undefined) return {};
  // A token alone stands where the user's name would.
  return { authorization: password === undefined ? `Bearer ${username}` : `Basic ${btoa(`${username}:${password}`)}` };
}
