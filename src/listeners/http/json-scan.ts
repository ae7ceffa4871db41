/**
 * Finds where the values of a JSON text begin and end, checking its grammar (RFC 8259) without building them.
 *
 * A record's value is stored as the text the client sent: parsing and printing it again would change numbers beyond
 * 2^53, the order of members and every `1.0`. And nothing is allocated for it, so that a hostile body of eight million
 * brackets costs a scan and no memory.
 */
import { MillraceError } from '../../base/errors.ts';

/** Deeper nesting than any real document; each level costs one array slot here. */
const MAX_DEPTH = 512;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

// Sticky expressions run as machine code: several times faster than a loop over charCodeAt for long strings. None of them
// can backtrack far: repetition of repetition over hostile text would take for ever.
// oxlint-disable-next-line no-control-regex -- RFC 8259 forbids them raw in strings
const PLAIN_RUN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const NUMBER_OR_WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

export class JsonScan {
  readonly text: string;
  /** Next character to look at. */
  at: number;
  readonly #end: number;

  constructor(text: string, start = 0, end = text.length) {
    this.text = text;
    this.at = start;
    this.#end = end;
  }

  /** Code of the next character that is no white space, which `at` then points at; NaN at the end. */
  peek(): number {
    for (;;) {
      const code = this.at < this.#end ? this.text.charCodeAt(this.at) : Number.NaN;
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.at += 1;
    }
  }

  /** Takes the next character if it is this one. */
  take(code: number): boolean {
    if (this.peek() !== code) return false;
    this.at += 1;
    return true;
  }

  expect(code: number): void {
    if (!this.take(code)) throw this.wrong(`expected ${JSON.stringify(String.fromCharCode(code))}`);
  }

  /** Passes one whole value and returns its text. */
  value(): string {
    this.peek();
    const start = this.at;
    this.#skipValue();
    return this.text.slice(start, this.at);
  }

  /** Passes a string and returns what it says. */
  string(): string {
    if (this.peek() !== QUOTE) throw this.wrong('expected a string');
    const start = this.at;
    this.#skipString();
    const inner = this.text.slice(start + 1, this.at - 1);
    return inner.includes('\\') ? (JSON.parse(`"${inner}"`) as string) : inner;
  }

  /** Stops before each element of the array that stands next; the caller must pass the element. */
  *elements(): Generator<void, void, undefined> {
    this.expect(OPEN_BRACKET);
    if (this.take(CLOSE_BRACKET)) return;
    do yield;
    while (this.take(COMMA));
    this.expect(CLOSE_BRACKET);
  }

  /** Calls `visit` with each member's name; it must pass the value. */
  object(visit: (name: string) => void): void {
    this.expect(OPEN_BRACE);
    if (this.take(CLOSE_BRACE)) return;
    do {
      const name = this.string();
      this.expect(COLON);
      visit(name);
    } while (this.take(COMMA));
    this.expect(CLOSE_BRACE);
  }

  get isArray(): boolean {
    return this.peek() === OPEN_BRACKET;
  }

  get isObject(): boolean {
    return this.peek() === OPEN_BRACE;
  }

  /** Nothing but white space may follow. */
  finish(): void {
    if (!Number.isNaN(this.peek())) throw this.wrong('the JSON value has ended, but more follows');
  }

  wrong(what: string): MillraceError {
    const at = Math.min(this.at, this.#end);
    const before = this.text.slice(0, at);
    const line = before.split('\n').length;
    const column = at - before.lastIndexOf('\n');
    const found = at === this.#end ? 'the end' : JSON.stringify(String.fromCodePoint(this.text.codePointAt(at) ?? 0));
    return new MillraceError(
      'HTTP_JSON_INVALID',
      `Not JSON at line ${line}, column ${column}: ${what}, found ${found}.`,
      {
        details: { line, column, position: at },
      },
    );
  }

  #skipValue(): void {
    /** What each open level ends with. */
    const closers: number[] = [];
    for (;;) {
      const code = this.peek();
      const closer = code === OPEN_BRACE ? CLOSE_BRACE : code === OPEN_BRACKET ? CLOSE_BRACKET : 0;
      if (closer !== 0) {
        this.at += 1;
        if (!this.take(closer)) {
          if (closers.length === MAX_DEPTH) throw this.wrong(`more than ${MAX_DEPTH} levels of nesting`);
          closers.push(closer);
          if (closer === CLOSE_BRACE) this.#skipName();
          continue;
        }
      } else if (code === QUOTE) this.#skipString();
      else this.#skipScalar();
      if (this.#closeLevels(closers)) return;
    }
  }

  /** After a value: to the next one of the innermost open level. True when none is open. */
  #closeLevels(closers: number[]): boolean {
    for (let closer = closers.at(-1); closer !== undefined; closer = closers.at(-1)) {
      if (this.take(COMMA)) {
        if (closer === CLOSE_BRACE) this.#skipName();
        return false;
      }
      this.expect(closer);
      closers.pop();
    }
    return true;
  }

  #skipName(): void {
    if (this.peek() !== QUOTE) throw this.wrong('expected a member name');
    this.#skipString();
    this.expect(COLON);
  }

  #skipString(): void {
    const start = this.at;
    this.at += 1;
    for (;;) {
      this.#skip(PLAIN_RUN);
      if (this.at < this.#end && this.text.charCodeAt(this.at) === QUOTE) {
        this.at += 1;
        return;
      }
      if (this.#skip(ESCAPE)) continue;
      const what =
        this.at < this.#end ? 'a bad escape or a raw control character in a string' : 'a string without an end';
      if (this.at === this.#end) this.at = start;
      throw this.wrong(what);
    }
  }

  #skipScalar(): void {
    if (!this.#skip(NUMBER_OR_WORD)) throw this.wrong('expected a value');
  }

  #skip(expression: RegExp): boolean {
    expression.lastIndex = this.at;
    if (!expression.test(this.text)) return false;
    this.at = Math.min(expression.lastIndex, this.#end);
    return true;
  }
}
