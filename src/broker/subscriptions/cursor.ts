/**
 * Where a subscriber over many topics stands: behind which commit, and inside one, behind which record.
 *
 * | text | has seen |
 * |---|---|
 * | `1042` | everything up to commit 1042 |
 * | `1042.3.17` | everything before commit 1042, its entries before number 3, and of that entry the records up to offset 17 |
 */
import { MillraceError } from '../../base/errors.ts';
import type { CommitNumber } from '../../journal/journal.ts';

export interface Cursor {
  readonly commit: CommitNumber;
  /** Entry of the commit, from 0, that was read in part. */
  readonly entry?: number;
  /** Offset of the last record of the entry that was seen. */
  readonly offset?: number;
}

const FORM = /^(\d{1,16})(?:\.(\d{1,8})\.(\d{1,16}))?$/;

/** @throws BROKER_CURSOR_INVALID. */
export function parseCursor(text: string): Cursor {
  const match = FORM.exec(text);
  const [commit, entry, offset] = (match ?? []).slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  if (
    commit === undefined ||
    !Number.isSafeInteger(commit) ||
    (offset !== undefined && !Number.isSafeInteger(offset))
  ) {
    throw new MillraceError(
      'BROKER_CURSOR_INVALID',
      `${JSON.stringify(text.slice(0, 60))} is no cursor. Give one that came with a record, or earliest or latest.`,
    );
  }
  return entry === undefined || offset === undefined ? { commit } : { commit, entry, offset };
}

export function formatCursor({ commit, entry, offset }: Cursor): string {
  return entry === undefined ? String(commit) : `${commit}.${entry}.${offset}`;
}

/** Takes text piece by piece, as a listener's buffer of bytes does. */
export interface CursorText {
  text(text: string): void;
  integer(value: number): void;
}

/** The text that `formatCursor` makes of a cursor behind a record, without a string in between: there is one for each record. */
export function writeCursor(into: CursorText, commit: CommitNumber, entry: number, offset: number): void {
  into.integer(commit);
  into.text('.');
  into.integer(entry);
  into.text('.');
  into.integer(offset);
}
