/** Where to start reading: `--from earliest | latest | OFFSET | TIMESTAMP | -N`. */
import type { Query } from './api-client.ts';
import { UsageError } from './failure.ts';

/** The part of a read's query that says where it starts (docs/protocol.md, reading). */
export function parsePosition(text: string): Query {
  if (text === 'earliest' || text === 'latest') return { offset: text };
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return { offset: Number(text) };
  if (/^-\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return { last: -Number(text) };
  return { timestamp: parseTimestamp('--from', text, 'earliest, latest, an offset, -N (the last N), ') };
}

/**
 * Parses `2026-11-20T10:00:00Z`, other ISO 8601 forms that name their time zone or none (then local), or `@1795000000000`.
 *
 * @param others what else the option takes, for the message.
 * @returns milliseconds since 1970.
 */
export function parseTimestamp(option: string, text: string, others = ''): number {
  const timestamp = /^@\d{1,16}$/.test(text)
    ? Number(text.slice(1))
    : /^\d{4}-\d{2}/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return timestamp;
  throw new UsageError(`${option} must be ${others}an ISO 8601 time or @milliseconds, not \`${text}\`.`);
}
