/**
 * Writes entries, many with one command (add-command.ts): a command for each entry is half as fast or less, since the
 * library spends more on a command than the server does. Where scripts are not allowed (ACL) or not there, entries go as
 * commands in one pipeline.
 */
import type { Redis } from 'ioredis';
import type { Offsets, WriteBatch, Writer } from '../../backend.ts';
import type { EncodedRecord } from '../../record.ts';
import { type CommandClass, encodeAdd, sendAdd } from './add-command.ts';
import { encodeEntry, offsetOfId, streamKey } from './entry.ts';
import { type RedisSettings, redisError } from './library.ts';

/** The server does nothing else while a script runs: some 5 ms for so many. */
const SCRIPT_RECORDS = 1000;

export class RedisWriter implements Writer {
  readonly ordered = true;
  readonly #redis: Redis;
  readonly #settings: RedisSettings;
  readonly #command: CommandClass;
  #scripts = true;

  constructor(redis: Redis, Command: CommandClass, settings: RedisSettings) {
    this.#redis = redis;
    this.#command = Command;
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
    const key = streamKey(topic, partition, this.#settings.shards);
    const parts: Promise<Offsets>[] = [];
    for (let at = 0; at < records.length; at += SCRIPT_RECORDS)
      parts.push(this.#add(key, records.slice(at, at + SCRIPT_RECORDS)));
    try {
      const offsets = await Promise.all(parts);
      return (index) => (offsets[Math.floor(index / SCRIPT_RECORDS)] as Offsets)(index % SCRIPT_RECORDS);
    } catch (error) {
      return redisError(error, `Writing to ${topic}`);
    }
  }

  async #add(key: string, records: readonly EncodedRecord[]): Promise<Offsets> {
    const fullKey = `${this.#redis.options.keyPrefix ?? ''}${key}`;
    const bytes = this.#scripts ? encodeAdd(fullKey, records, this.#settings) : undefined;
    if (bytes === undefined) return await this.#pipeline(key, records);
    try {
      return await sendAdd(this.#redis, this.#command, bytes);
    } catch (error) {
      if (!isNotAllowed(error)) throw error;
      this.#scripts = false;
      return await this.#pipeline(key, records);
    }
  }

  async #pipeline(key: string, records: readonly EncodedRecord[]): Promise<Offsets> {
    const { maxLen, ids, field } = this.#settings;
    const trim = maxLen === 0 ? [] : ['MAXLEN', '~', String(maxLen)];
    const pipeline = this.#redis.pipeline();
    for (const record of records) {
      const id = ids === 'auto' ? '*' : `${record.timestamp}-*`;
      pipeline.call('XADD', key, ...trim, id, ...encodeEntry(record, field, ids === 'auto'));
    }
    const answers = (await pipeline.exec()) ?? [];
    const failed = answers.find(([error]) => error !== null)?.[0];
    if (failed !== undefined && failed !== null) throw failed;
    return (index) => offsetOfId(String(answers[index]?.[1]));
  }
}

/** Nothing of the script has run then. */
function isNotAllowed(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR unknown command)/.test(error.message);
}
