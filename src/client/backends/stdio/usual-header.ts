/**
 * The header as most programs write it, ours among them: `[2026-11-25T10:00:00.000 | key | 12345]`, perhaps with ` | 4` for
 * the shard. Read without a pattern and, but for the sequence, without anything new: lines come in a row with the same
 * minute and the same key. Half a million a second come through here.
 */
import type { LineHeader } from './line.ts';

const BAR = ' | ';
const MINUTE_CHARS = 'YYYY-MM-DDTHH:MM:'.length;
const SECOND_CHARS = 'SS.mmm'.length;
/** Without 24:00, which is a time for 00 seconds alone. */
const MINUTE = /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:$/;
const KEY = /[a-zA-Z0-9._-]{1,249} \| /y;
/** So many digits are below 2^53. */
const MAX_DIGITS = 15;
const POINT = 0x2e;
const CLOSE = 0x5d;
const ZERO = 0x30;

export class UsualHeader implements LineHeader {
  timestamp = 0;
  key = '';
  sequence = 0n;
  shard: number | undefined;
  /** Of the last line: how its minute was written, and when it began. */
  #minute = '';
  #minuteMs = 0;
  /** Key of the last line, with the bar behind it. */
  #keyText = '';
  /** Where the last number ended. */
  #end = 0;

  /**
   * @param start where the opening bracket is.
   * @returns where the closing one is; -1 where this is none of those, and then what it holds is undefined.
   */
  parse(text: string, start: number): number {
    let at = start + 1;
    if (!text.startsWith(this.#minute, at) || this.#minute === '') {
      if (!this.#takeMinute(text.slice(at, at + MINUTE_CHARS))) return -1;
    }
    at += MINUTE_CHARS;
    const ms = millisecondsAt(text, at);
    if (ms < 0) return -1;
    this.timestamp = this.#minuteMs + ms;
    at += SECOND_CHARS;
    if (!text.startsWith(BAR, at)) return -1;
    at += BAR.length;
    if (!text.startsWith(this.#keyText, at) || this.#keyText === '') {
      if (!this.#takeKey(text, at)) return -1;
    }
    const sequence = this.#numberAt(text, at + this.#keyText.length);
    if (sequence < 0) return -1;
    this.sequence = BigInt(sequence);
    this.shard = undefined;
    if (text.startsWith(BAR, this.#end)) {
      const shard = this.#numberAt(text, this.#end + BAR.length);
      if (shard < 0) return -1;
      this.shard = shard;
    }
    return text.charCodeAt(this.#end) === CLOSE ? this.#end : -1;
  }

  #takeMinute(minute: string): boolean {
    const minuteMs = MINUTE.test(minute) ? Date.parse(`${minute}00Z`) : Number.NaN;
    if (Number.isNaN(minuteMs)) return false;
    this.#minute = copyOf(minute);
    this.#minuteMs = minuteMs;
    return true;
  }

  #takeKey(text: string, at: number): boolean {
    KEY.lastIndex = at;
    const found = KEY.exec(text)?.[0];
    if (found === undefined) return false;
    this.#keyText = copyOf(found);
    this.key = copyOf(found.slice(0, -BAR.length));
    return true;
  }

  #numberAt(text: string, start: number): number {
    let value = 0;
    let at = start;
    for (; ; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      // Also for NaN, at the end of the text.
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    this.#end = at;
    return at === start || at - start > MAX_DIGITS ? -1 : value;
  }
}

/** Of `SS.mmm`; -1 for anything else. A minute has 60 seconds. */
function millisecondsAt(text: string, at: number): number {
  const seconds = digitsAt(text, at, 2);
  const fraction = digitsAt(text, at + 3, 3);
  if (seconds < 0 || seconds > 59 || fraction < 0 || text.charCodeAt(at + 2) !== POINT) return -1;
  return seconds * 1000 + fraction;
}

function digitsAt(text: string, start: number, count: number): number {
  let value = 0;
  for (let at = start; at < start + count; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** What is cut out of a text keeps all of it in memory. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
