/** Records as SeaStreamer's tools print them: `{"header":{…},"payload":…}`. */
import type { ConsumedRecord, RecordHeader } from '../sdk/index.ts';

/** A line: with `key` and `headers` where the record has them; a record without a value has the payload null. */
export function recordJson(record: ConsumedRecord<Uint8Array | null, Uint8Array, undefined>): string {
  const { topic, partition, offset, timestamp, key, value, headers } = record;
  const header = messageHeaderJson({ key: topic, shard: partition, sequence: offset, timestamp });
  const named = headersJson(headers);
  const more = [
    key === null ? '' : `,"key":${JSON.stringify(textOf(key) ?? [...key])}`,
    named === null ? '' : `,"headers":${named}`,
  ];
  return `{"header":${header},"payload":${value === null ? 'null' : payloadJson(value)}${more.join('')}}\n`;
}

/** Pairs of name and value, since names may repeat; null where there are none. */
export function headersJson(headers: Iterable<RecordHeader>): string | null {
  const pairs = Array.from(headers, ({ key, value }) => [key, value === null ? null : (textOf(value) ?? [...value])]);
  return pairs.length === 0 ? null : JSON.stringify(pairs);
}

/** JSON as it stands, so that no number loses digits; other text as a string; bytes as a list. */
export function payloadJson(payload: Uint8Array): string {
  const text = textOf(payload);
  if (text === undefined) return JSON.stringify([...payload]);
  try {
    const value: unknown = JSON.parse(text);
    return text.includes('\n') ? JSON.stringify(value) : text.trim();
  } catch {
    return JSON.stringify(text);
  }
}

export interface SsHeaderFields {
  readonly key: string;
  readonly shard: number;
  readonly sequence: bigint;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export function messageHeaderJson({ key, shard, sequence, timestamp }: SsHeaderFields): string {
  return `{"stream_key":${JSON.stringify(key)},"shard_id":${shard},"sequence":${sequence},"timestamp":"${time(timestamp)}"}`;
}

/** As SeaStreamer writes it: UTC without its Z. */
export function time(timestamp: number): string {
  return new Date(timestamp).toISOString().slice(0, -1);
}

/** Undefined for bytes that are no UTF-8. */
export function textOf(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return undefined;
  }
}
