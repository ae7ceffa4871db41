/**
 * File system errors as errors of the journal: what failed, where, what to do.
 */
import { MillraceError } from '../base/errors.ts';

/** No space on the device, quota exceeded, file size limit. */
const NO_SPACE_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export function writeFailed(path: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  const code = systemCode(cause);
  if (NO_SPACE_CODES.has(code)) {
    return new MillraceError(
      'JOURNAL_NO_SPACE',
      `No space left to write ${path} (${code}). Nothing acknowledged is lost: free space, then restart.`,
      { details: { path, systemCode: code }, cause },
    );
  }
  return ioFailed('write', path, cause);
}

/** After this the kernel may have dropped the pages it could not write, so a second sync would lie. */
export function syncFailed(path: string, cause: unknown): MillraceError {
  const code = systemCode(cause);
  return new MillraceError(
    'JOURNAL_SYNC_FAILED',
    `Sync of ${path} failed (${code}): unknown what of the last commits is on the device. Check the device, then restart.`,
    { details: { path, systemCode: code }, cause },
  );
}

export function ioFailed(action: string, path: string, cause: unknown): MillraceError {
  const code = systemCode(cause);
  return new MillraceError(
    'JOURNAL_IO',
    `Cannot ${action} ${path} (${code}). Check the device and permissions, then restart.`,
    {
      details: { action, path, systemCode: code },
      cause,
    },
  );
}

/** @param commit first commit that is not sound. */
export function corrupt(
  path: string,
  position: number,
  commit: number,
  problem: string,
  evidence: string,
): MillraceError {
  return new MillraceError(
    'JOURNAL_CORRUPT',
    `Journal file ${path} is corrupt at position ${position}, commit ${commit}: ${problem}. ${evidence} ` +
      'Nothing was changed. See `millrace journal verify`, then restore the file from a copy.',
    { details: { path, position, commit } },
  );
}

export function unsupportedFormat(path: string, version: number): MillraceError {
  return new MillraceError(
    'JOURNAL_FORMAT_UNSUPPORTED',
    `Journal file ${path} has format version ${version}, which this program does not know. Start it with a newer one.`,
    { details: { path, version } },
  );
}

function systemCode(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'unknown error';
}
