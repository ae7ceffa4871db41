/** Records as lines, into one piece of memory for a batch. */
import { writeDecimal } from '../../../base/bytes.ts';
import type { EncodedRecord } from '../../record.ts';

const LINE_FEED = 0x0a;
/** Brackets, bars and spaces, the time and two numbers, at their longest; the key comes on top. */
const MAX_HEADER_BYTES = 96;

/**
 * The lines of a batch, `[time | key | sequence | shard] value` each; shard 0 is left out. No value may have a line feed.
 * @param first sequence of the first record.
 */
export function encodeLines(records: readonly EncodedRecord[], key: string, first: bigint, shard: number): Buffer {
  let sizeBytes = records.length * (MAX_HEADER_BYTES + key.length);
  for (const { value } of records) sizeBytes += value?.length ?? 0;
  const bytes = Buffer.allocUnsafe(sizeBytes);
  const behind = Buffer.from(shard === 0 ? '] ' : ` | ${shard}] `, 'latin1');
  let timestamp = Number.NaN;
  let before: Uint8Array = behind;
  let at = 0;
  for (const [index, record] of records.entries()) {
    // Records that are submitted in one go have the same time, more often than not.
    if (record.timestamp !== timestamp) {
      ({ timestamp } = record);
      before = Buffer.from(`[${formatTime(timestamp)} | ${key} | `, 'latin1');
    }
    at = put(bytes, at, before);
    at = putNumber(bytes, at, first + BigInt(index));
    at = put(bytes, at, behind);
    if (record.value !== null) at = put(bytes, at, record.value);
    bytes[at++] = LINE_FEED;
  }
  return bytes.subarray(0, at);
}

function put(bytes: Buffer, at: number, part: Uint8Array): number {
  bytes.set(part, at);
  return at + part.length;
}

function putNumber(bytes: Buffer, at: number, value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER) return at + bytes.write(value.toString(), at, 'latin1');
  return writeDecimal(bytes, at, Number(value));
}

const MINUTE_MS = 60_000;
const SECONDS_CHARS = 'SS.mmmZ'.length;
/** The minute of the time that was written last. */
let minute = Number.NaN;
let minuteText = '';

/** `YYYY-MM-DDTHH:MM:SS.mmm`, as SeaStreamer prints times. */
function formatTime(timestamp: number): string {
  const own = Math.floor(timestamp / MINUTE_MS);
  if (own !== minute) {
    minuteText = new Date(own * MINUTE_MS).toISOString().slice(0, -SECONDS_CHARS);
    minute = own;
  }
  const ms = timestamp - own * MINUTE_MS;
  const seconds = Math.floor(ms / 1000);
  return `${minuteText}${String(seconds).padStart(2, '0')}.${String(ms - seconds * 1000).padStart(3, '0')}`;
}
