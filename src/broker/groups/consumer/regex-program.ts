/** From the tree of a pattern to the program that is walked: one instruction for each character class, and jumps. */

/** A tree is bounded by the pattern's length; its program is not, because `{1000}` repeats. A name's character may cost it all. */
const MAX_INSTRUCTIONS = 5_000;

/** A place in the pattern (UTF-16 units from 0) and what is wrong there. */
export class RegexError extends Error {
  constructor(message: string, position?: number) {
    super(position === undefined ? message : `${message} at position ${position}`);
    this.name = 'RegexError';
  }
}

export type Tree =
  | { readonly kind: 'empty' }
  /** Pairs of first and last code unit, inclusive, ascending. */
  | { readonly kind: 'char'; readonly ranges: readonly number[] }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'sequence'; readonly parts: readonly Tree[] }
  | { readonly kind: 'choice'; readonly options: readonly Tree[] }
  /** `max` Infinity: no bound. */
  | { readonly kind: 'repeat'; readonly body: Tree; readonly min: number; readonly max: number };

export type Instruction =
  | { readonly op: 'char'; readonly ranges: readonly number[] }
  | { readonly op: 'split'; readonly targets: number[] }
  | { readonly op: 'start' }
  | { readonly op: 'end' }
  | { readonly op: 'match' };

/** All but `split` and `match` go on at the next place. */
export type Program = readonly Instruction[];

/** @throws RegexError when it would be too large. */
export function emitProgram(tree: Tree): Program {
  const program: Instruction[] = [];
  emit(program, tree);
  push(program, { op: 'match' });
  return program;
}

function push(program: Instruction[], instruction: Instruction): void {
  if (program.length >= MAX_INSTRUCTIONS) throw new RegexError('the pattern is too large');
  program.push(instruction);
}

function emit(program: Instruction[], tree: Tree): void {
  switch (tree.kind) {
    case 'empty':
      return;
    case 'char':
      return push(program, { op: 'char', ranges: tree.ranges });
    case 'start':
    case 'end':
      return push(program, { op: tree.kind });
    case 'sequence':
      for (const part of tree.parts) emit(program, part);
      return;
    case 'choice':
      return emitChoice(program, tree.options);
    case 'repeat':
      return emitRepeat(program, tree.body, tree.min, tree.max);
    default:
      return tree satisfies never;
  }
}

function emitChoice(program: Instruction[], options: readonly Tree[]): void {
  const starts: number[] = [];
  const ends: number[][] = [];
  push(program, { op: 'split', targets: starts });
  for (const option of options) {
    starts.push(program.length);
    emit(program, option);
    const jump: number[] = [];
    push(program, { op: 'split', targets: jump });
    ends.push(jump);
  }
  for (const jump of ends) jump.push(program.length);
}

function emitRepeat(program: Instruction[], body: Tree, min: number, max: number): void {
  for (let i = 0; i < min; i++) emit(program, body);
  if (max === Number.POSITIVE_INFINITY) {
    const again = program.length;
    const targets = [again + 1];
    push(program, { op: 'split', targets });
    emit(program, body);
    push(program, { op: 'split', targets: [again] });
    targets.push(program.length);
    return;
  }
  const skips: number[][] = [];
  for (let i = min; i < max; i++) {
    const targets = [program.length + 1];
    push(program, { op: 'split', targets });
    skips.push(targets);
    emit(program, body);
  }
  for (const skip of skips) skip.push(program.length);
}
