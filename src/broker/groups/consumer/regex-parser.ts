/** Reads a topic pattern (syntax: topic-regex.ts) into a tree. */
import { RegexError, type Tree } from './regex-program.ts';

/** Longer than any list of topics that a person writes as a pattern. */
const MAX_LENGTH = 4_096;
/** As in RE2. */
const MAX_REPEAT = 1_000;
const MAX_DEPTH = 100;
const LAST_UNIT = 0xffff;
const NEWLINE = 10;

const DIGITS = [48, 57];
const WORD = [48, 57, 65, 90, 95, 95, 97, 122];
const SPACE = [9, 10, 12, 13, 32, 32];
const CLASSES: Readonly<Record<string, readonly number[]>> = {
  d: DIGITS,
  w: WORD,
  s: SPACE,
  D: invert(DIGITS),
  W: invert(WORD),
  S: invert(SPACE),
};
const POSIX: Readonly<Record<string, readonly number[]>> = {
  alnum: [48, 57, 65, 90, 97, 122],
  alpha: [65, 90, 97, 122],
  ascii: [0, 127],
  blank: [9, 9, 32, 32],
  cntrl: [0, 31, 127, 127],
  digit: DIGITS,
  graph: [33, 126],
  lower: [97, 122],
  print: [32, 126],
  punct: [33, 47, 58, 64, 91, 96, 123, 126],
  space: [9, 13, 32, 32],
  upper: [65, 90],
  word: WORD,
  xdigit: [48, 57, 65, 70, 97, 102],
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, v: 11, a: 7 };

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotMatchesNewline: boolean;
}

export class RegexParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #flags: Flags = { ignoreCase: false, dotMatchesNewline: false };

  constructor(text: string) {
    this.#text = text;
  }

  /** @throws RegexError. */
  parse(): Tree {
    if (this.#text.length > MAX_LENGTH) throw new RegexError(`the pattern has more than ${MAX_LENGTH} characters`);
    const tree = this.#choice();
    if (this.#at < this.#text.length) throw this.#error('there is a `)` without its `(`');
    return tree;
  }

  #choice(): Tree {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    return options.length === 1 ? (options[0] as Tree) : { kind: 'choice', options };
  }

  #sequence(): Tree {
    const parts: Tree[] = [];
    while (this.#at < this.#text.length && this.#peek !== '|' && this.#peek !== ')') {
      const quoted = this.#quoted();
      // A repetition behind quoted text is one of its last character.
      const last = quoted === undefined ? this.#atom() : quoted.pop();
      if (quoted !== undefined) parts.push(...quoted);
      if (last !== undefined) parts.push(this.#repeated(last));
    }
    return parts.length === 1 ? (parts[0] as Tree) : { kind: 'sequence', parts };
  }

  #repeated(atom: Tree): Tree {
    let tree = atom;
    for (let isFirst = true; ; isFirst = false) {
      const start = this.#at;
      const bounds = this.#bounds();
      if (bounds === undefined) return tree;
      if (!isFirst) throw this.#error('a repetition follows a repetition', start);
      const [min, max] = bounds;
      if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Number.POSITIVE_INFINITY) || min > max) {
        throw this.#error(`a repetition is out of order, or more than ${MAX_REPEAT}`, start);
      }
      // Lazy or not: which names match is the same.
      this.#take('?');
      tree = { kind: 'repeat', body: tree, min, max };
    }
  }

  #bounds(): readonly [min: number, max: number] | undefined {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#take('?')) return [0, 1];
    // As in RE2, braces that are no repetition are themselves.
    const [all, min, comma, max] = this.#match(/\{(\d{1,9})(?:(,)(\d{1,9})?)?\}/y) ?? [];
    if (all === undefined) return undefined;
    if (comma === undefined) return [Number(min), Number(min)];
    return [Number(min), max === undefined ? Number.POSITIVE_INFINITY : Number(max)];
  }

  #atom(): Tree {
    const start = this.#at;
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group(start);
      case '[':
        return this.#class(start);
      case '.':
        return { kind: 'char', ranges: this.#flags.dotMatchesNewline ? [0, LAST_UNIT] : invert([NEWLINE, NEWLINE]) };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '*':
      case '+':
      case '?':
        throw this.#error('there is nothing to repeat', start);
      case '\\':
        return this.#escape(start);
      default:
        return this.#literal(char.charCodeAt(0), start);
    }
  }

  #group(start: number): Tree {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw this.#error(`groups are nested more than ${MAX_DEPTH} deep`, start);
    const outside = this.#flags;
    if (this.#take('?')) {
      const isNamed = this.#match(/P?<[A-Za-z_]\w{0,99}>/y) !== undefined;
      if (!isNamed) {
        const [all, on, off, end] = this.#match(/([is]*)(?:-([is]+))?([:)])/y) ?? [];
        if (all === undefined) throw this.#error('this kind of group is not supported', start);
        this.#setFlags(on ?? '', true);
        this.#setFlags(off ?? '', false);
        if (end === ')') {
          this.#depth -= 1;
          return { kind: 'empty' };
        }
      }
    }
    const tree = this.#choice();
    if (!this.#take(')')) throw this.#error('there is a `(` without its `)`', start);
    this.#flags = outside;
    this.#depth -= 1;
    return tree;
  }

  #setFlags(letters: string, value: boolean): void {
    const { ignoreCase, dotMatchesNewline } = this.#flags;
    this.#flags = {
      ignoreCase: letters.includes('i') ? value : ignoreCase,
      dotMatchesNewline: letters.includes('s') ? value : dotMatchesNewline,
    };
  }

  #class(start: number): Tree {
    const isNegated = this.#take('^');
    const ranges: number[] = [];
    for (let isFirst = true; isFirst || this.#peek !== ']'; isFirst = false) {
      if (this.#at >= this.#text.length) throw this.#error('there is a `[` without its `]`', start);
      ranges.push(...this.#classItem());
    }
    this.#at += 1;
    const folded = normalize(this.#flags.ignoreCase ? bothCases(ranges) : ranges);
    const whole = isNegated ? invert(folded) : folded;
    return { kind: 'char', ranges: whole };
  }

  #classItem(): readonly number[] {
    const start = this.#at;
    const [, negated, name] = this.#match(/\[:(\^?)([a-z]+):\]/y) ?? [];
    if (name !== undefined) {
      const posix = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
      if (posix === undefined) throw this.#error(`there is no class [:${name}:]`, start);
      return negated === '^' ? invert(posix) : posix;
    }
    const first = this.#classChar();
    if (typeof first !== 'number') return first;
    if (this.#peek !== '-' || this.#text[this.#at + 1] === ']') return [first, first];
    this.#at += 1;
    const last = this.#classChar();
    if (typeof last !== 'number' || last < first) throw this.#error('a range is out of order', start);
    return [first, last];
  }

  /** A code unit, or the ranges of a class such as `\d`. */
  #classChar(): number | readonly number[] {
    const start = this.#at;
    const char = this.#next();
    if (char !== '\\') return this.#unit(char.charCodeAt(0), start);
    const letter = this.#next();
    return (Object.hasOwn(CLASSES, letter) ? CLASSES[letter] : undefined) ?? this.#escaped(letter, start);
  }

  #escape(start: number): Tree {
    const letter = this.#next();
    const ranges = Object.hasOwn(CLASSES, letter) ? CLASSES[letter] : undefined;
    if (ranges !== undefined) return { kind: 'char', ranges };
    if (letter === 'A') return { kind: 'start' };
    if (letter === 'z') return { kind: 'end' };
    return this.#literal(this.#escaped(letter, start), start);
  }

  #escaped(letter: string, start: number): number {
    const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined;
    if (control !== undefined) return control;
    if (letter === 'x') {
      const [, short, long] = this.#match(/([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\}/y) ?? [];
      const digits = short ?? long;
      if (digits === undefined) throw this.#error('\\x wants two hex digits, or some in braces', start);
      return this.#unit(Number.parseInt(digits, 16), start);
    }
    if (/[\dA-Za-z]/.test(letter)) throw this.#error(`\\${letter} is not supported`, start);
    return this.#unit(letter.charCodeAt(0), start);
  }

  /** `\Q...\E`; without `\E` to the end. */
  #quoted(): Tree[] | undefined {
    if (!this.#text.startsWith('\\Q', this.#at)) return undefined;
    const start = this.#at + 2;
    const end = this.#text.indexOf('\\E', start);
    const text = this.#text.slice(start, end === -1 ? undefined : end);
    this.#at = end === -1 ? this.#text.length : end + 2;
    return Array.from({ length: text.length }, (_, i) => this.#literal(text.charCodeAt(i), start + i));
  }

  #literal(unit: number, start: number): Tree {
    const ranges = [this.#unit(unit, start), unit];
    return { kind: 'char', ranges: this.#flags.ignoreCase ? normalize(bothCases(ranges)) : ranges };
  }

  #unit(value: number, start: number): number {
    // Half of a pair would match half a character.
    const isHalf = value >= 0xd800 && value <= 0xdfff;
    if (value > LAST_UNIT || isHalf) throw this.#error('characters beyond U+FFFF are not supported', start);
    return value;
  }

  get #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #next(): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw this.#error('the pattern breaks off');
    this.#at += 1;
    return char;
  }

  #take(char: string): boolean {
    if (this.#peek !== char) return false;
    this.#at += 1;
    return true;
  }

  /** @param form sticky. */
  #match(form: RegExp): RegExpExecArray | undefined {
    form.lastIndex = this.#at;
    const found = form.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }

  #error(message: string, position = this.#at): RegexError {
    return new RegexError(message, position);
  }
}

/** Sorted, without overlaps. */
function normalize(ranges: readonly number[]): number[] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i] as number, ranges[i + 1] as number]);
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [first, last] of pairs) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before + 1) merged[merged.length - 1] = Math.max(before, last);
    else merged.push(first, last);
  }
  return merged;
}

function invert(ranges: readonly number[]): number[] {
  const inverse: number[] = [];
  let next = 0;
  const sorted = normalize(ranges);
  for (let i = 0; i < sorted.length; i += 2) {
    const first = sorted[i] as number;
    if (first > next) inverse.push(next, first - 1);
    next = (sorted[i + 1] as number) + 1;
  }
  if (next <= LAST_UNIT) inverse.push(next, LAST_UNIT);
  return inverse;
}

/** With the other case of every ASCII letter; topic names have no others. */
function bothCases(ranges: readonly number[]): number[] {
  const all = [...ranges];
  for (let i = 0; i < ranges.length; i += 2) {
    const first = ranges[i] as number;
    const last = ranges[i + 1] as number;
    const upper = [Math.max(first, 65), Math.min(last, 90)] as const;
    const lower = [Math.max(first, 97), Math.min(last, 122)] as const;
    if (upper[0] <= upper[1]) all.push(upper[0] + 32, upper[1] + 32);
    if (lower[0] <= lower[1]) all.push(lower[0] - 32, lower[1] - 32);
  }
  return all;
}
