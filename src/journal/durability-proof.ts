/**
 * Tells a torn tail from corruption: looks behind a bad commit for anything that proves it was synced once.
 *
 * A sound header, of a commit or of a file, carries `durableCommit`: every commit up to it was on stable storage before
 * the header was written. So a header that stands later and says `durableCommit >= bad commit` proves that acknowledged
 * data was damaged. Without one, nothing at or after the bad commit was ever acknowledged as durable, as far as the
 * journal can tell (docs/formats.md, known limits).
 *
 * Payloads may hold copies of journal bytes. They cannot deceive: a copy was made before the commit that carries it, so
 * it knows of no commit that may be missing here as durable.
 */
import type { Disk, DiskFile } from './disk.ts';
import { decodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts';
import { findCommit } from './header-scan.ts';
import { journalPath } from './paths.ts';

export interface Proof {
  readonly file: number;
  readonly position: number;
  /** What stands there. */
  readonly what: string;
}

/**
 * @param places files to search, each from `position` on, in order.
 * @param commit the first commit that is missing or not sound.
 */
export async function findProof(
  disk: Disk,
  directory: string,
  places: readonly { readonly file: number; readonly position: number }[],
  commit: number,
): Promise<Proof | undefined> {
  for (const { file, position } of places) {
    const handle = await disk.open(journalPath(directory, file), 'read');
    try {
      const found = await searchFile(handle, file, position, commit);
      if (found !== undefined) return found;
    } finally {
      await handle.close();
    }
  }
  return undefined;
}

async function searchFile(handle: DiskFile, file: number, from: number, commit: number): Promise<Proof | undefined> {
  const fileBytes = await handle.size();
  const first = Buffer.alloc(FILE_HEADER_BYTES);
  const outcome = decodeFileHeader(first.subarray(0, await handle.read(first, 0)));
  const header = outcome.kind === 'header' ? outcome.header : undefined;
  if (from === 0 && header !== undefined && header.file === file && header.durableCommit >= commit) {
    return { file, position: 0, what: `the header of file ${file}` };
  }
  const found = await findCommit(
    handle,
    fileBytes,
    from,
    ({ durableCommit, incarnation }) =>
      durableCommit >= commit && (header === undefined || incarnation === header.incarnation),
  );
  return found && { file, position: found.position, what: `commit ${found.header.commit}` };
}
