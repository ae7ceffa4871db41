import { MillraceError } from '../base/errors.ts';

/** Reading on past what we do not know would silently lose what a newer version meant. @throws JOURNAL_FORMAT_UNSUPPORTED. */
export function checkBodyVersion(type: number, found: number, known: number): void {
  if (found === known) return;
  throw new MillraceError(
    'JOURNAL_FORMAT_UNSUPPORTED',
    `State command ${type} has version ${found}; this release reads version ${known}. Start the release that wrote it, or ` +
      'a newer one.',
    { details: { type, found, known } },
  );
}
