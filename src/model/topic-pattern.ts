/**
 * Glob patterns over topic names: `food/**` is every topic below `food`, and `food` itself.
 *
 * | in a level | matches |
 * |---|---|
 * | `*` | any run of characters, also none |
 * | `?` | one character |
 * | `[abc]`, `[a-z]` | one of these characters |
 * | `[!a-z]` | one character that is none of these |
 * | `**` as a whole level | any number of levels, also none |
 *
 * `/` and `.` both separate levels, as in names, and a leading one is ignored: `/food/*` is `food.*`. Case counts.
 * Matching takes at most (length of the name) x (length of the pattern) steps, whatever the pattern; the glob libraries
 * that were tried take minutes for a dozen stars. It is meant to be done once for a topic and remembered.
 *
 * Source of the rules: Flo's namespace globs.
 */
import { MillraceError } from '../base/errors.ts';
import { MAX_TOPIC_NAME_LENGTH, topicLevels } from './topic-name.ts';

/** Twice a topic name: a class of characters is longer than the character that it matches. */
const MAX_TOPIC_PATTERN_LENGTH = 2 * MAX_TOPIC_NAME_LENGTH;

/** What one character of a level may be. `*` is the run, all others are one character. */
type Token =
  | '*'
  | '?'
  | { readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] }
  | Literal;

interface Literal {
  readonly literal: string;
}

type Level = '**' | readonly Token[];

/** How much of a refused pattern an error repeats. */
const SHOWN_LENGTH = 80;

export class TopicPattern {
  /** As it was given. */
  readonly text: string;
  readonly #levels: readonly Level[];
  /** `**` alone, or with `*` behind it: every topic, without a look at its name. */
  readonly matchesAll: boolean;

  /** @throws MODEL_TOPIC_PATTERN_INVALID saying what is wrong and where. */
  constructor(text: string) {
    this.text = text;
    this.#levels = parse(text);
    this.matchesAll = isMatchAll(this.#levels);
  }

  /** @param canonicalName dotted (`topic-name.ts`). */
  matches(canonicalName: string): boolean {
    return this.matchesAll || matchesSequence(this.#levels, topicLevels(canonicalName), '**', matchesLevel);
  }
}

/**
 * Two pointers and one place to come back to: where a run was last seen, it takes one element more. Both walks of a
 * pattern are this one: over levels, where `**` is the run, and over the characters of a level, where `*` is.
 */
function matchesSequence<P, T>(
  pattern: ArrayLike<P>,
  given: ArrayLike<T>,
  run: P,
  matchesOne: (element: P, given: T) => boolean,
): boolean {
  let at = 0;
  let next = 0;
  let runAt = -1;
  let runEnd = 0;
  while (next < given.length) {
    if (at < pattern.length && pattern[at] === run) {
      runAt = at++;
      runEnd = next;
    } else if (at < pattern.length && matchesOne(pattern[at] as P, given[next] as T)) {
      at += 1;
      next += 1;
    } else if (runAt >= 0) {
      at = runAt + 1;
      next = ++runEnd;
    } else {
      return false;
    }
  }
  while (at < pattern.length && pattern[at] === run) at += 1;
  return at === pattern.length;
}

function matchesLevel(level: Level, name: string): boolean {
  return level !== '**' && matchesSequence<Token, string>(level, name, '*', matchesCharacter);
}

function matchesCharacter(token: Token, character: string): boolean {
  if (token === '?') return true;
  if (token === '*') return false;
  if ('literal' in token) return token.literal === character;
  return token.ranges.some(([first, last]) => character >= first && character <= last) !== token.negated;
}

function isMatchAll(levels: readonly Level[]): boolean {
  const [first, second, third] = levels;
  if (first !== '**' || third !== undefined) return false;
  return second === undefined || second === '**' || (second.length === 1 && second[0] === '*');
}

function parse(text: string): Level[] {
  if (text.length > MAX_TOPIC_PATTERN_LENGTH) {
    throw invalid(text, `it has ${text.length} characters, at most ${MAX_TOPIC_PATTERN_LENGTH} are allowed`);
  }
  const levels: Level[] = [];
  let at = /^[./]/.test(text) ? 1 : 0;
  for (;;) {
    const end = levelEnd(text, at);
    levels.push(parseLevel(text, at, end));
    if (end === text.length) return levels;
    at = end + 1;
  }
}

/** Where the level that begins at `from` ends; separators inside `[...]` are refused by `parseClass`. */
function levelEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '/' && text[at] !== '.') at += 1;
  return at;
}

function parseLevel(text: string, from: number, end: number): Level {
  if (from === end) throw invalid(text, `the level at position ${from} is empty`);
  const level = text.slice(from, end);
  if (level === '**') return '**';
  const tokens: Token[] = [];
  for (let at = from; at < end; ) {
    const character = text[at] as string;
    if (character === '[') {
      const { token, next } = parseClass(text, at, end);
      tokens.push(token);
      at = next;
      continue;
    }
    if (character === '*' && text[at + 1] === '*') {
      throw invalid(text, `"**" at position ${at} must be a whole level, as in "food/**"`);
    }
    tokens.push(parseCharacter(text, at, character));
    at += 1;
  }
  return tokens;
}

function parseCharacter(text: string, at: number, character: string): Token {
  if (character === '*' || character === '?') return character;
  if (/^[a-zA-Z0-9_-]$/.test(character)) return { literal: character };
  throw invalid(text, `character ${JSON.stringify(character)} at position ${at} stands in no topic name`);
}

function parseClass(text: string, at: number, end: number): { token: Token; next: number } {
  const close = text.indexOf(']', at + 2);
  if (close === -1 || close >= end) throw invalid(text, `the "[" at position ${at} is not closed in its level`);
  const negated = text[at + 1] === '!';
  const members = text.slice(at + (negated ? 2 : 1), close);
  if (members === '') throw invalid(text, `the "[" at position ${at} names no character`);
  const ranges: (readonly [string, string])[] = [];
  for (let i = 0; i < members.length; ) {
    const first = members[i] as string;
    const isRange = members[i + 1] === '-' && i + 2 < members.length;
    const last = isRange ? (members[i + 2] as string) : first;
    if (last < first) throw invalid(text, `the range ${first}-${last} after position ${at} runs backwards`);
    ranges.push([first, last]);
    i += isRange ? 3 : 1;
  }
  return { token: { negated, ranges }, next: close + 1 };
}

function invalid(text: string, why: string): MillraceError {
  const shown = text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
  return new MillraceError(
    'MODEL_TOPIC_PATTERN_INVALID',
    `Topic pattern ${JSON.stringify(shown)} is refused: ${why}.`,
    {
      details: { pattern: shown },
    },
  );
}
