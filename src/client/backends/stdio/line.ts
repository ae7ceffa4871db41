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

import { UsualHeader } from './usual-header.ts';

export interface LineHeader {
  readonly timestamp: number | undefined;
  readonly key: string | undefined;
  readonly sequence: bigint | undefined;
  readonly shard: number | undefined;
}

export const BROADCAST = 'broadcast';
const OPEN = 0x5b;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
/** Longer brackets hold no header: a key has 249 characters, the numbers and the time 20 to 30. */
const MAX_HEADER_CHARS = 400;
/** Of any header; a bar must have something behind it. */
const HEADER =
  /^\s*(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)\s*(?:\|\s*(?=\S)|$))?(?:([a-zA-Z0-9._-]{1,249})\s*(?:\|\s*(\d{1,20})\s*(?:\|\s*(\d{1,20})\s*)?)?)?$/;
const NOTHING: LineHeader = { timestamp: undefined, key: undefined, sequence: undefined, shard: undefined };
const usual = new UsualHeader();

/**
 * @param text the bytes as latin1, so that positions are the same in both.
 * @param lineEnd exclusive: where its line feed is.
 * @returns the header, valid until the next call, and the payload as a view of the bytes.
 */
export function parseLine(
  bytes: Buffer,
  text: string,
  lineStart = 0,
  lineEnd = text.length,
): { header: LineHeader; payload: Uint8Array } {
  const end = lineEnd > lineStart && text.charCodeAt(lineEnd - 1) === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
  let header: LineHeader | undefined;
  let start = lineStart;
  if (text.charCodeAt(lineStart) === OPEN) {
    let close = usual.parse(text, lineStart);
    if (close >= 0) header = usual;
    else {
      const opened = bytes.toString('latin1', lineStart + 1, Math.min(end, lineStart + 1 + MAX_HEADER_CHARS));
      const length = opened.indexOf(']');
      header = length < 0 ? undefined : parseHeader(opened.slice(0, length));
      close = lineStart + 1 + length;
    }
    if (header !== undefined) start = Math.min(end, text.charCodeAt(close + 1) === SPACE ? close + 2 : close + 1);
  }
  // Plain: views of a Buffer are Buffers, which take twice as long to make.
  const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
  return { header: header ?? NOTHING, payload };
}

/** Undefined for anything that is no header. */
export function parseHeader(text: string): LineHeader | undefined {
  const [, time, key, sequence, shardText] = HEADER.exec(text) ?? [];
  if (time === undefined && key === undefined) return undefined;
  const timestamp = time === undefined ? undefined : Date.parse(`${time}Z`);
  const shard = shardText === undefined ? undefined : Number(shardText);
  if (Number.isNaN(timestamp) || (shard !== undefined && !Number.isSafeInteger(shard))) return undefined;
  return { timestamp, key, sequence: sequence === undefined ? undefined : BigInt(sequence), shard };
}
