/** Durations as people write them: `90s`, `1h30m`, `7d`, or ISO 8601 like `PT2H`. */
import { UsageError } from './failure.ts';

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
type Unit = keyof typeof UNITS_MS;

const ISO = /^P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?$/;
const SHORT = /^(?:\d{1,9}(?:ms|[dhms]))+$/;

/** @returns milliseconds. @throws UsageError naming the option. */
export function parseDuration(option: string, text: string): number {
  const iso = ISO.exec(text);
  if (iso !== null && /\d/.test(text)) {
    const [, days, hours, minutes, seconds] = iso.map((part) => Number(part ?? 0));
    return (days ?? 0) * UNITS_MS.d + (hours ?? 0) * UNITS_MS.h + (minutes ?? 0) * UNITS_MS.m + (seconds ?? 0) * 1000;
  }
  if (SHORT.test(text)) {
    let sumMs = 0;
    for (const [, count, unit] of text.matchAll(/(\d+)(ms|[dhms])/g)) sumMs += Number(count) * UNITS_MS[unit as Unit];
    return sumMs;
  }
  throw new UsageError(`${option} must be a duration like 90s, 1h30m, 7d or PT2H, not \`${text}\`.`);
}
