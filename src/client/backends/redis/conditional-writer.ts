/**
 * Appends on condition, as a script: Redis runs nothing between its look at the stream's end and its writes.
 *
 * A connection that is lost before the answer has the command sent again. So each entry names its write (field `w`), and a
 * script that finds the entries behind the expected end to be its own answers with their ids and writes nothing.
 */
import type { Redis } from 'ioredis';
import { type AbortOptions, abortable } from '../../abort.ts';
import type { BackendContext, ConditionalOutcome, ConditionalWriter, WriteBatch } from '../../backend.ts';
import { encodeEntry, idOfOffset, offsetOfId, streamKey } from './entry.ts';
import { type RedisSettings, redisError } from './library.ts';

/** KEYS: the stream. ARGV: expected last id, name of the write, number of entries, then for each entry: id, number of fields and values, these. */
const SCRIPT = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local lastId = last and last[1] or '0-0'
local ids = {}
if lastId ~= ARGV[1] then
  local first = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[3])
  for i = 1, #first do
    local fields = first[i][2]
    local own = false
    for j = 1, #fields, 2 do
      if fields[j] == 'w' and fields[j + 1] == ARGV[2] then own = true end
    end
    if not own then break end
    ids[#ids + 1] = first[i][1]
  end
  if #ids == 0 then return false end
  return ids
end
local at = 4
while at <= #ARGV do
  local id, count = ARGV[at], tonumber(ARGV[at + 1])
  local call = { 'XADD', KEYS[1], id }
  for j = at + 2, at + 1 + count do call[#call + 1] = ARGV[j] end
  ids[#ids + 1] = redis.call(unpack(call))
  at = at + 2 + count
end
return ids`;

export class RedisConditionalWriter implements ConditionalWriter {
  readonly #redis: Redis;
  readonly #settings: RedisSettings;
  readonly #name: string;
  #writes = 0;

  constructor(redis: Redis, settings: RedisSettings, random: BackendContext['random']) {
    this.#redis = redis;
    this.#settings = settings;
    this.#name = `${Math.floor(random() * 2 ** 48).toString(36)}${Math.floor(random() * 2 ** 48).toString(36)}`;
  }

  async append(batch: WriteBatch, endOffset: bigint, { signal }: AbortOptions): Promise<ConditionalOutcome> {
    const { topic, partition, records } = batch;
    const { shards, ids, field } = this.#settings;
    const lastId = endOffset === 0n ? '0-0' : idOfOffset(endOffset - 1n);
    const name = `${this.#name}-${this.#writes++}`;
    const entries = records.flatMap((record) => {
      const fields = [...encodeEntry(record, field, ids === 'auto'), 'w', name];
      return [ids === 'auto' ? '*' : `${record.timestamp}-*`, String(fields.length), ...fields];
    });
    try {
      const key = streamKey(topic, partition, shards);
      const answer = await abortable(
        this.#redis.eval(SCRIPT, 1, key, lastId, name, records.length, ...entries),
        signal,
      );
      if (!Array.isArray(answer)) return { outcome: 'moved' };
      const written = answer.map((id) => offsetOfId(String(id)));
      return { outcome: 'written', offsets: (index) => written[index] ?? -1n };
    } catch (error) {
      throw redisError(error, `Writing to ${topic} on condition`);
    }
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
