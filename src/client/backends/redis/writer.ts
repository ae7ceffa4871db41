import type { Redis } from 'ioredis';
import type { Offsets, WriteBatch, Writer } from '../../backend.ts';
import { encodeEntry, offsetOfId, streamKey } from './entry.ts';
import { type RedisSettings, redisError } from './library.ts';

/** All entries of a write go out in one pipeline. */
export class RedisWriter implements Writer {
  readonly #redis: Redis;
  readonly #settings: RedisSettings;

  constructor(redis: Redis, settings: RedisSettings) {
    this.#redis = redis;
    this.#settings = settings;
  }

  async partitionCount(): Promise<number> {
    return this.#settings.shards;
  }

  async write(batches: readonly WriteBatch[]): Promise<readonly (Offsets | Error)[]> {
    const pipeline = this.#redis.pipeline();
    for (const batch of batches) this.#append(pipeline, batch);
    try {
      const answers = (await pipeline.exec()) ?? [];
      let next = 0;
      return batches.map(({ topic, records }) => {
        const own = answers.slice(next, next + records.length);
        next += records.length;
        const failed = own.find(([error]) => error !== null)?.[0];
        if (failed !== undefined) return redisError(failed, `Writing to ${topic}`);
        const ids = own.map(([, id]) => String(id));
        return (index: number) => offsetOfId(ids[index] ?? '');
      });
    } catch (error) {
      throw redisError(error, 'Writing records');
    }
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  #append(pipeline: ReturnType<Redis['pipeline']>, { topic, partition, records }: WriteBatch): void {
    const { shards, ids, maxLen, field } = this.#settings;
    const key = streamKey(topic, partition, shards);
    const trim = maxLen === 0 ? [] : ['MAXLEN', '~', String(maxLen)];
    for (const record of records) {
      const id = ids === 'auto' ? '*' : `${record.timestamp}-*`;
      pipeline.call('XADD', key, ...trim, id, ...encodeEntry(record, field, ids === 'auto'));
    }
  }
}
