/** Lists in pages, sorted by name; a cursor is the last name of the page before. */
import { MillraceError } from '../../base/errors.ts';
import { smallestNames } from './smallest.ts';

export interface Page {
  readonly names: readonly string[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** @param names those behind the cursor, in any order. */
export function pageOf(names: Iterable<string>, limit: number): Page {
  const found = smallestNames(names, limit + 1);
  const last = found.length > limit ? found[limit - 1] : undefined;
  return {
    names: found.slice(0, limit),
    nextCursor: last === undefined ? null : Buffer.from(last).toString('base64url'),
  };
}

/** The name in a cursor. Names are any text, so what decodes is a cursor, whoever made it. @throws HTTP_REQUEST_INVALID. */
export function cursorName(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString('utf8');
  if (Buffer.from(name).toString('base64url') === cursor) return name;
  throw cursorRefused();
}

export function cursorRefused(): MillraceError {
  return new MillraceError(
    'HTTP_REQUEST_INVALID',
    'Query parameter `cursor` must be the nextCursor of the page before.',
    { details: { in: 'query', name: 'cursor' } },
  );
}
