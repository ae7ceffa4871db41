/**
 * Topic patterns of members (KIP-848): the part of RE2's syntax that a finite automaton can decide, matched against the
 * whole name. JavaScript's own expressions backtrack: a pattern of twenty characters could hold the broker for minutes.
 * Here a name takes time in proportion to its length, whatever the pattern.
 *
 * Taken: literals, `.`, `[...]` with ranges and negation, `\d \w \s \D \W \S`, POSIX classes such as `[[:alpha:]]`, `\xHH`,
 * `\x{H...}`, `\Q...\E`, escaped punctuation, `^ $ \A \z`, `|`, groups `(...)`, `(?:...)`, `(?P<name>...)`, `(?<name>...)`,
 * flags `(?i)`, `(?s)` also as `(?i:...)`, and `* + ? {n} {n,} {n,m}` with their lazy forms, which match the same names.
 * Refused: back references and look-around, as RE2 refuses them; `\b`, `\B`, `\p{...}` and other flags, which it takes.
 *
 * ```
 *   text ──parse──► tree ──emit──► program (char, split, start, end, match) ──subset construction, as needed──► states
 * ```
 */
import { RegexParser } from './regex-parser.ts';
import { emitProgram, type Program } from './regex-program.ts';

/** States kept of one pattern; beyond them the construction begins anew, which costs time and no correctness. */
const MAX_STATES = 500;

interface State {
  /** Places in the program, ascending; none: no name can match any more. */
  readonly places: readonly number[];
  /** The name may end here. */
  readonly accepts: boolean;
  /** By UTF-16 code unit. */
  readonly next: Map<number, State>;
}

export class TopicRegex {
  readonly text: string;
  readonly #program: Program;
  #states = new Map<string, State>();
  #start: State;

  /** @throws RegexError with what is wrong and where. */
  static parse(text: string): TopicRegex {
    return new TopicRegex(text, emitProgram(new RegexParser(text).parse()));
  }

  private constructor(text: string, program: Program) {
    this.text = text;
    this.#program = program;
    this.#start = this.#initial();
  }

  /** Whether the whole name matches. */
  test(name: string): boolean {
    let state = this.#start;
    for (let i = 0; i < name.length; i++) {
      const unit = name.charCodeAt(i);
      state = state.next.get(unit) ?? this.#step(state, unit);
      if (state.places.length === 0) return false;
    }
    return state.accepts;
  }

  #initial(): State {
    return this.#stateOf(this.#closure([0], true));
  }

  #step(from: State, unit: number): State {
    if (this.#states.size >= MAX_STATES) {
      this.#states = new Map();
      this.#start = this.#initial();
    }
    const reached: number[] = [];
    for (const place of from.places) {
      const instruction = this.#program[place];
      if (instruction?.op === 'char' && holds(instruction.ranges, unit)) reached.push(place + 1);
    }
    const state = this.#stateOf(this.#closure(reached, false));
    from.next.set(unit, state);
    return state;
  }

  #stateOf(places: readonly number[]): State {
    const key = places.join(',');
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: State = { places, accepts: this.#acceptsAtEnd(places), next: new Map() };
    this.#states.set(key, state);
    return state;
  }

  /** Everything that is reached without reading; `end` stays, because only the end of the name can pass it. */
  #closure(from: readonly number[], atStart: boolean): number[] {
    return this.#walk(from, (op) => op === 'start' && atStart);
  }

  #acceptsAtEnd(places: readonly number[]): boolean {
    return this.#walk(places, (op) => op === 'end').some((place) => this.#program[place]?.op === 'match');
  }

  #walk(from: readonly number[], passes: (op: 'start' | 'end') => boolean): number[] {
    const seen = new Set<number>();
    const open = [...from];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      const instruction = this.#program[place];
      if (instruction?.op === 'split') open.push(...instruction.targets);
      else if (instruction?.op === 'start' || instruction?.op === 'end') {
        if (passes(instruction.op)) open.push(place + 1);
      }
    }
    return [...seen].filter((place) => this.#program[place]?.op !== 'split').sort((a, b) => a - b);
  }
}

/** @param ranges pairs of first and last, inclusive, ascending. */
function holds(ranges: readonly number[], unit: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (unit < (ranges[i] as number)) return false;
    if (unit <= (ranges[i + 1] as number)) return true;
  }
  return false;
}
