/**
 * Hands long replies to the library as one piece of bytes each, instead of as lists of lists.
 *
 *   socket ─► pieces ─► ReplyPacker: `*…` replies become `$LENGTH … ` ─► the library's decoder: one Buffer a reply
 *
 * The library makes a Buffer of each id, name and value, through a decoder of many small steps: 4 us an entry, four times what
 * the server needs for it. What comes out here is taken apart by entry-reply.ts, straight into records.
 *
 * Only for connections on which nothing but reads of streams is asked. What it does not know (the third version of the
 * protocol) goes through as it came.
 */
import type { Redis } from 'ioredis';

const ARRAY = 0x2a;
const BULK = 0x24;
const INTEGER = 0x3a;
const SIMPLE = 0x2b;
const ERROR = 0x2d;
const MINUS = 0x2d;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const LINE_END = Buffer.from('\r\n');

/** From the next time on that the connection is ready, and each time that it is so again. */
export function packReplies(connection: Redis): void {
  connection.on('ready', () => {
    const { stream } = connection;
    const [listener, ...others] = stream.listeners('data') as ((piece: Buffer) => void)[];
    // Another library than the one that this was written for: its own way is the right one.
    if (listener === undefined || others.length > 0) return;
    const packer = new ReplyPacker(listener);
    stream.removeListener('data', listener);
    stream.on('data', (piece: Buffer) => packer.push(piece));
  });
}

export class ReplyPacker {
  readonly #emit: (piece: Buffer) => void;
  /** Pieces of a reply that is not whole yet. */
  #gathered: Buffer[] = [];
  /** Values of the reply that are still to come; 0 between replies. */
  #open = 0;
  /** Bytes of a value that are still to come, its line end included. */
  #skip = 0;
  /** A line that a piece cut: its type, its number so far, and whether that is negative. */
  #line = { type: 0, value: 0, isNegative: false };
  #inLine = false;
  /** The reply is a list. */
  #isArray = false;
  #passes = false;

  /** @param emit gets what the library's decoder is to see, in order. */
  constructor(emit: (piece: Buffer) => void) {
    this.#emit = emit;
  }

  push(piece: Buffer): void {
    let start = 0;
    let at = 0;
    while (at < piece.length && !this.#passes) {
      at = this.#skip > 0 ? this.#skipIn(piece, at) : this.#lineIn(piece, at);
      if (this.#open > 0 || this.#skip > 0 || this.#inLine) continue;
      this.#gathered.push(piece.subarray(start, at));
      this.#flush();
      start = at;
    }
    if (start < piece.length) this.#gathered.push(piece.subarray(start));
    if (this.#passes) for (const part of this.#gathered.splice(0)) this.#emit(part);
  }

  #skipIn(piece: Buffer, at: number): number {
    const skipped = Math.min(this.#skip, piece.length - at);
    this.#skip -= skipped;
    return at + skipped;
  }

  /** A line: type and number, or text that does not matter. */
  #lineIn(piece: Buffer, start: number): number {
    const line = this.#line;
    let at = start;
    if (!this.#inLine) {
      line.type = piece[at++] as number;
      line.value = 0;
      line.isNegative = false;
      this.#inLine = true;
      if (!isKnown(line.type)) {
        this.#passes = true;
        return start;
      }
    }
    for (; at < piece.length; at++) {
      const byte = piece[at] as number;
      if (byte === LINE_FEED) {
        this.#inLine = false;
        this.#endOfLine();
        return at + 1;
      }
      if (byte === MINUS) line.isNegative = true;
      else if (byte !== CARRIAGE_RETURN) line.value = line.value * 10 + byte - 0x30;
    }
    return at;
  }

  #endOfLine(): void {
    const { type, value, isNegative } = this.#line;
    if (this.#open === 0) {
      this.#isArray = type === ARRAY && !isNegative;
      this.#open = 1;
    }
    this.#open -= 1;
    if (isNegative) return;
    if (type === ARRAY) this.#open += value;
    else if (type === BULK) this.#skip = value + LINE_END.length;
  }

  #flush(): void {
    const parts = this.#gathered;
    this.#gathered = [];
    if (!this.#isArray) {
      for (const part of parts) this.#emit(part);
      return;
    }
    let length = 0;
    for (const part of parts) length += part.length;
    const head = Buffer.from(`$${length}\r\n`);
    this.#emit(Buffer.concat([head, ...parts, LINE_END], head.length + length + LINE_END.length));
  }
}

function isKnown(type: number): boolean {
  return type === ARRAY || type === BULK || type === INTEGER || type === SIMPLE || type === ERROR;
}
