/** `redis://` and `rediss://`: Redis Streams, through ioredis. */
import type { Redis } from 'ioredis';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendAdmin, BackendLoader, TopicFacts } from '../../backend.ts';
import { RedisConditionalWriter } from './conditional-writer.ts';
import { offsetOfId, streamKey } from './entry.ts';
import { loadRedis, openConnection, redisError, redisSettings } from './library.ts';
import { RedisReader } from './reader.ts';
import { RedisWriter } from './writer.ts';

export const openRedis: BackendLoader = async (context) => {
  const settings = redisSettings(context);
  const { connect, Command } = await loadRedis();
  const redis = await openConnection(connect(settings.options));
  try {
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    throw redisError(error, `Connecting to Redis at ${context.uri.nodes.join(', ')}`);
  }
  return {
    name: 'redis',
    features: {
      keys: true,
      headers: true,
      tombstones: true,
      partitions: true,
      seek: true,
      resumable: true,
      loadBalanced: true,
      acknowledgesRecords: true,
      transactions: false,
      conditionalAppends: true,
      offsetsFromZero: false,
    },
    admin: redisAdmin(redis, settings.shards),
    async openWriter() {
      return new RedisWriter(await openConnection(connect(settings.options)), Command, settings);
    },
    async openConditionalWriter() {
      return new RedisConditionalWriter(await openConnection(connect(settings.options)), settings, context.random);
    },
    openReader: async (options) => {
      const memberName = `${context.clientId}-${Math.floor(context.random() * 2 ** 32).toString(16)}${Math.floor(context.random() * 2 ** 32).toString(16)}`;
      return await RedisReader.open({ connect, settings, clock: context.clock, memberName }, options);
    },
    close: async () => redis.disconnect(),
  };
};

function redisAdmin(redis: Redis, shards: number): BackendAdmin {
  const keys = (topic: string): string[] =>
    Array.from({ length: shards }, (_, shard) => streamKey(topic, shard, shards));
  return {
    async createTopic() {
      throw new MillraceError('CLIENT_UNSUPPORTED', 'Redis makes a stream with its first record.');
    },
    async deleteTopic(topic) {
      if ((await redis.del(...keys(topic))) === 0) throw notFound(topic);
    },
    async listTopics() {
      const names = new Set<string>();
      let cursor = '0';
      do {
        const [next, found] = await redis.scan(cursor, 'COUNT', 1000, 'TYPE', 'stream');
        for (const key of found) names.add(shards === 1 ? key : key.replace(/:\d+$/, ''));
        cursor = next;
      } while (cursor !== '0');
      return [...names].sort();
    },
    describeTopic: async (topic) => await describe(redis, topic, keys(topic)),
    async trimTopic(topic, limit) {
      if ((await redis.exists(...keys(topic))) === 0) throw notFound(topic);
      const [strategy, threshold] =
        'keepRecords' in limit ? ['MAXLEN', limit.keepRecords] : ['MINID', `${limit.fromTimestamp}-0`];
      for (const key of keys(topic)) await redis.call('XTRIM', key, strategy, String(threshold));
    },
  };
}

async function describe(redis: Redis, topic: string, keys: readonly string[]): Promise<TopicFacts> {
  const partitions: { partition: number; startOffset: bigint; endOffset: bigint }[] = [];
  for (const [partition, key] of keys.entries()) {
    const [first] = await redis.xrange(key, '-', '+', 'COUNT', 1);
    const [last] = await redis.xrevrange(key, '+', '-', 'COUNT', 1);
    if (first === undefined || last === undefined) continue;
    partitions.push({ partition, startOffset: offsetOfId(first[0]), endOffset: offsetOfId(last[0]) + 1n });
  }
  if (partitions.length === 0) throw notFound(topic);
  return { topic, partitions };
}

function notFound(topic: string): MillraceError {
  return new MillraceError('CLIENT_TOPIC_NOT_FOUND', `There is no stream ${topic}.`, { details: { topic } });
}
