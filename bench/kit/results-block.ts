/** Puts a generated text into docs/performance.md, between its markers; what people wrote around it stays. */
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = new URL('../../docs/performance.md', import.meta.url);

/** @param name `suite` or `peers`: the markers are `<!-- NAME results: begin -->` and `<!-- NAME results: end -->`. */
export function writeResultsBlock(name: string, text: string): void {
  const [begin, end] = [`<!-- ${name} results: begin -->`, `<!-- ${name} results: end -->`];
  const before = readFileSync(FILE, 'utf8');
  const [start, stop] = [before.indexOf(begin), before.indexOf(end)];
  if (start < 0 || stop < start) throw new Error(`docs/performance.md has no block between ${begin} and ${end}.`);
  writeFileSync(FILE, `${before.slice(0, start + begin.length)}\n\n${text.trim()}\n\n${before.slice(stop)}`);
}
