/**
 * Writes entries, many with one command: a script that adds each. A command for each entry is half as fast or less, since the
 * library spends more on a command than the server does. Where scripts are not allowed (ACL) or not there, entries go as
 * commands in one pipeline.
 */
import type { Redis } from 'ioredis';
import type { Offsets, WriteBatch, Writer } from '../../backend.ts';
import type { EncodedRecord } from '../../record.ts';
import { encodeEntry, offsetOfId, streamKey } from './entry.ts';
import { type RedisSettings, redisError } from './library.ts';

/** KEYS: the stream. ARGV: MAXLEN or 0, then for each entry: id, number of fields and values, these. Answers with the ids. */
const SCRIPT = `
local ids = {}
local maxLen = ARGV[1]
local at = 2
while at <= #ARGV do
  local last = at + 1 + ARGV[at + 1]
  if maxLen == '0' then
    ids[#ids + 1] = redis.call('XADD', KEYS[1], ARGV[at], unpack(ARGV, at + 2, last))
  else
    ids[#ids + 1] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', maxLen, ARGV[at], unpack(ARGV, at + 2, last))
  end
  at = last + 1
end
return ids`;

/** The server does nothing else while a script runs: some 5 ms for so many. */
const SCRIPT_RECORDS = 1000;
/** Lua passes on at most some 8,000 arguments. */
const SCRIPT_FIELDS = 2000;

type Answer = readonly [error: Error | null, result?: unknown];

export class RedisWriter implements Writer {
  readonly ordered = true;
  readonly #redis: Redis;
  readonly #settings: RedisSettings;
  #scripts = true;

  constructor(redis: Redis, settings: RedisSettings) {
    this.#redis = redis;
    this.#settings = settings;
  }

  async partitionCount(): Promise<number> {
    return this.#settings.shards;
  }

  async write(batches: readonly WriteBatch[]): Promise<readonly (Offsets | Error)[]> {
    return await Promise.all(batches.map(async (batch) => await this.#write(batch)));
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  /** Commands leave in the order of their calls, so the parts of a batch stay in order. */
  async #write({ topic, partition, records }: WriteBatch): Promise<Offsets | Error> {
    const { shards, ids, field } = this.#settings;
    const key = streamKey(topic, partition, shards);
    const parts: Promise<readonly Answer[]>[] = [];
    for (let at = 0; at < records.length; at += SCRIPT_RECORDS) {
      const part = records.slice(at, at + SCRIPT_RECORDS);
      const fields = part.map((record) => encodeEntry(record, field, ids === 'auto'));
      parts.push(this.#add(key, part, fields));
    }
    try {
      const answers = (await Promise.all(parts)).flat();
      const failed = answers.find(([error]) => error !== null)?.[0];
      if (failed !== undefined && failed !== null) return redisError(failed, `Writing to ${topic}`);
      return (index) => offsetOfId(String(answers[index]?.[1]));
    } catch (error) {
      return redisError(error, `Writing to ${topic}`);
    }
  }

  async #add(
    key: string,
    records: readonly EncodedRecord[],
    fields: readonly (string | Buffer)[][],
  ): Promise<readonly Answer[]> {
    if (!this.#scripts || fields.some(({ length }) => length > SCRIPT_FIELDS))
      return await this.#pipeline(key, records, fields);
    const args: (string | Buffer | number)[] = [this.#settings.maxLen];
    for (const [index, values] of fields.entries()) {
      args.push(this.#id(records[index] as EncodedRecord), values.length);
      for (const value of values) args.push(value);
    }
    try {
      const answer = await this.#redis.eval(SCRIPT, 1, key, ...args);
      return (answer as readonly string[]).map((id) => [null, id]);
    } catch (error) {
      if (!isNotAllowed(error)) throw error;
      this.#scripts = false;
      return await this.#pipeline(key, records, fields);
    }
  }

  async #pipeline(
    key: string,
    records: readonly EncodedRecord[],
    fields: readonly (string | Buffer)[][],
  ): Promise<readonly Answer[]> {
    const { maxLen } = this.#settings;
    const trim = maxLen === 0 ? [] : ['MAXLEN', '~', String(maxLen)];
    const pipeline = this.#redis.pipeline();
    for (const [index, values] of fields.entries())
      pipeline.call('XADD', key, ...trim, this.#id(records[index] as EncodedRecord), ...values);
    return (await pipeline.exec()) ?? [];
  }

  #id({ timestamp }: EncodedRecord): string {
    return this.#settings.ids === 'auto' ? '*' : `${timestamp}-*`;
  }
}

/** Nothing of the script has run then. */
function isNotAllowed(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR unknown command)/.test(error.message);
}
