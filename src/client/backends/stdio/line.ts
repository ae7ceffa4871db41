/**
 * The line grammar of SeaStreamer's pipes: `[timestamp | stream key | sequence | shard] payload`, one record a line.
 *
 * | rule | |
 * |---|---|
 * | parts | all optional, in this order: a time only in first place, a sequence only after a key, a shard only after a sequence; spaces around `|` do not matter |
 * | no brackets, or brackets that hold something else | the whole line is the payload (SeaStreamer's reader gives up on the latter) |
 * | payload | what follows `]`, without the one space behind it; any bytes but a line feed |
 * | no key | stream `broadcast`, which every consumer gets |
 * | no sequence | counted per stream and shard from 0, going on behind the last given one (SeaStreamer repeats that one) |
 * | no time | when the line was read |
 * | time | `YYYY-MM-DDTHH:MM:SS`, with or without a fraction, UTC |
 */

export interface LineHeader {
  readonly timestamp: number | undefined;
  readonly key: string | undefined;
  readonly sequence: bigint | undefined;
  readonly shard: number | undefined;
}

export const BROADCAST = 'broadcast';
const OPEN = 0x5b;
const CLOSE = 0x5d;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
/** Longer brackets hold no header: a key has 249 characters, the numbers and the time 20 to 30. */
const MAX_HEADER_CHARS = 400;
/** In one, because half a million lines a second come through here; a bar must have something behind it. */
const HEADER =
  /^\s*(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)\s*(?:\|\s*(?=\S)|$))?(?:([a-zA-Z0-9._-]{1,249})\s*(?:\|\s*(\d{1,20})\s*(?:\|\s*(\d{1,20})\s*)?)?)?$/;
const NOTHING: LineHeader = { timestamp: undefined, key: undefined, sequence: undefined, shard: undefined };

/** @param lineEnd exclusive: where its line feed is. @returns the payload as a view of the bytes. */
export function parseLine(
  bytes: Buffer,
  lineStart = 0,
  lineEnd = bytes.length,
): { header: LineHeader; payload: Uint8Array } {
  const end = lineEnd > lineStart && bytes[lineEnd - 1] === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
  const close = bytes[lineStart] === OPEN ? bytes.indexOf(CLOSE, lineStart) : -1;
  const isHeader = close > lineStart && close < end && close - lineStart <= MAX_HEADER_CHARS;
  const header = isHeader ? parseHeader(bytes.toString('latin1', lineStart + 1, close)) : undefined;
  if (header === undefined) return { header: NOTHING, payload: viewOf(bytes, lineStart, end) };
  const start = bytes[close + 1] === SPACE ? close + 2 : close + 1;
  return { header, payload: viewOf(bytes, Math.min(start, end), end) };
}

/** Plain: views of a Buffer are Buffers, which take twice as long to make. */
function viewOf(bytes: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** Lines that come in a row have the same time, more often than not. */
let lastTime = { text: '', timestamp: Number.NaN };

function parseTime(text: string): number {
  if (text !== lastTime.text) lastTime = { text, timestamp: Date.parse(`${text}Z`) };
  return lastTime.timestamp;
}

/** Undefined for anything that is no header. */
export function parseHeader(text: string): LineHeader | undefined {
  const [, time, key, sequence, shardText] = HEADER.exec(text) ?? [];
  if (time === undefined && key === undefined) return undefined;
  const timestamp = time === undefined ? undefined : parseTime(time);
  const shard = shardText === undefined ? undefined : Number(shardText);
  if (Number.isNaN(timestamp) || (shard !== undefined && !Number.isSafeInteger(shard))) return undefined;
  return { timestamp, key, sequence: sequence === undefined ? undefined : BigInt(sequence), shard };
}

/** `YYYY-MM-DDTHH:MM:SS.mmm`, as SeaStreamer prints times. */
export function formatTime(timestamp: number): string {
  return new Date(timestamp).toISOString().slice(0, -1);
}

/** The header of a record, with the space behind it. Shard 0 is left out. */
export function formatHeader(timestamp: number, key: string, sequence: bigint, shard: number): string {
  return `[${formatTime(timestamp)} | ${key} | ${sequence}${shard === 0 ? '' : ` | ${shard}`}] `;
}
