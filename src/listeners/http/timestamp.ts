/** Times as people and programs write them: milliseconds since 1970, or ISO 8601 with a zone. */

// Without a zone the meaning would depend on where the broker runs.
const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;
const MILLISECONDS = /^\d{1,16}$/;

export const TIMESTAMP_FORM = 'milliseconds since 1970 or ISO 8601 with a zone, like 2026-11-20T10:00:00Z';

/** Undefined where the text is neither. */
export function parseTimestamp(text: string): number | undefined {
  const value = MILLISECONDS.test(text) ? Number(text) : ISO.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
