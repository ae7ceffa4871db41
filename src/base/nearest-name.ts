/**
 * The known name that somebody most likely meant: one that ends or begins with what was typed as whole levels (`retention.ms` for
 * `log.retention.ms`), else the one that is fewest letters away.
 *
 * @param typed anything; of names longer than 100 characters nothing is found.
 * @returns undefined where none is near: more than a third of the letters differ.
 */
export function nearestName(typed: string, known: readonly string[]): string | undefined {
  if (typed.length === 0 || typed.length > MAX_CHARS) return undefined;
  const whole = known.find((name) => name.endsWith(`.${typed}`) || name.startsWith(`${typed}.`));
  if (whole !== undefined) return whole;
  const [nearest] = known
    .map((name) => ({ name, distance: editDistance(typed, name) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest !== undefined && nearest.distance <= typed.length / 3 ? nearest.name : undefined;
}

/** ` Did you mean NAME?`, or nothing. */
export function suggestion(typed: string, known: readonly string[]): string {
  const nearest = nearestName(typed, known);
  return nearest === undefined ? '' : ` Did you mean \`${nearest}\`?`;
}

/** Longer than any name of ours. The time grows with the square. */
const MAX_CHARS = 100;

/** Letters to insert, delete or replace, row by row (Wagner and Fischer). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
