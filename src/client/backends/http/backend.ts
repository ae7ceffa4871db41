/** `http://` and `https://`: the HTTP interface of Millrace, with fetch alone, so it works in browsers too. */
import { MillraceError } from '../../../base/errors.ts';
import type { Backend, BackendContext, BackendLoader, TrimLimit } from '../../backend.ts';
import { hostsOf } from '../../uri.ts';
import { type Api, request, topicPath } from './api.ts';
import { HttpConditionalWriter } from './conditional-writer.ts';
import { HttpReader, type TopicJson } from './reader.ts';
import { HttpWriter } from './writer.ts';

const DEFAULT_PORT = 7123;

interface TopicsJson {
  readonly topics: readonly { readonly name: string }[];
  readonly nextCursor: string | null;
}

export const openHttp: BackendLoader = async ({ uri, clock, library, random, clientId }) => {
  const [node, ...others] = hostsOf(uri, DEFAULT_PORT);
  if (node === undefined || others.length > 0)
    throw new MillraceError('CLIENT_URI_INVALID', 'Over HTTP, name one node.');
  const host = node.host.includes(':') ? `[${node.host}]` : node.host;
  const api: Api = {
    origin: `${uri.scheme}://${host}:${node.port}`,
    clock,
    headers: {
      // Its quotas; a header takes no other characters.
      ...(/^[\x20-\x7e]+$/.test(clientId) ? { 'millrace-client-id': clientId } : {}),
      ...credentials(uri.username, uri.password),
      ...(library['headers'] as Record<string, string> | undefined),
    },
  };
  await request(api, '/health/live');
  return httpBackend(api, random);
};

function httpBackend(api: Api, random: BackendContext['random']): Backend {
  return {
    name: 'http',
    features: {
      keys: true,
      headers: true,
      tombstones: true,
      partitions: true,
      seek: true,
      resumable: true,
      loadBalanced: false,
      acknowledgesRecords: false,
      transactions: false,
      conditionalAppends: true,
      offsetsFromZero: true,
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
      trimTopic: async (topic, limit) => await trimTopic(api, topic, limit),
    },
    openWriter: async (options) => new HttpWriter(api, options, random),
    openConditionalWriter: async () => new HttpConditionalWriter(api, random),
    openReader: async (options) => await HttpReader.open(api, options),
    close: async () => undefined,
  };
}

async function trimTopic(api: Api, topic: string, limit: TrimLimit): Promise<void> {
  const remove = async (query: string): Promise<void> =>
    await request(api, topicPath(topic, `/records?${query}`), { method: 'DELETE' });
  if ('fromTimestamp' in limit) return await remove(`partition=all&timestamp=${limit.fromTimestamp}`);
  const { partitions } = await request<TopicJson>(api, topicPath(topic));
  for (const { partition, logStartOffset, highWatermark } of partitions) {
    const before = highWatermark - limit.keepRecords;
    if (before > logStartOffset) await remove(`partition=${partition}&before=${before}`);
  }
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
