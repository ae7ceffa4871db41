/**
 * The first names in order, without sorting all of them: a page of 100 topics out of 100,000 costs one pass.
 *
 * @returns at most `count` names, ascending by UTF-16 code unit, which for topic names is by ASCII.
 */
export function smallestNames(names: Iterable<string>, count: number): string[] {
  let kept: string[] = [];
  const room = Math.max(4 * count, 64);
  let worst: string | undefined;
  for (const name of names) {
    if (worst !== undefined && name >= worst) continue;
    kept.push(name);
    if (kept.length < room) continue;
    kept = kept.sort().slice(0, count);
    worst = kept.at(-1);
  }
  return kept.sort().slice(0, count);
}
