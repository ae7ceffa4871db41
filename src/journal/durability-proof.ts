/**
 * Tells a torn tail from corruption: looks behind a bad commit for anything that proves it was synced once.
 *
 * A sound header, of a commit or of a file, carries `durableCommit`: every commit up to it was on stable storage before
 * the header was written. So a header that stands later and says `durableCommit >= bad commit` proves that acknowledged
 * data was damaged. Without one, nothing at or after the bad commit was ever acknowledged as durable.
 *
 * Payloads may hold copies of journal bytes. They cannot deceive: a copy was written before the commit that carries it,
 * so its number is lower than any commit that may be missing here.
 */
import { readUint32 } from '../base/bytes.ts';
import {
  COMMIT_ALIGNMENT,
  COMMIT_HEADER_BYTES,
  COMMIT_MAGIC,
  type CommitHeader,
  decodeCommitHeader,
  emptyHeader,
  headerChecksum,
  ROW_BYTES,
  tableOffset,
} from './commit.ts';
import type { Disk, DiskFile } from './disk.ts';
import { decodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts';
import { journalPath } from './paths.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Tables are read whole to check them; a plausible header with an absurd count is not worth the memory. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;

const MAGIC_BYTES = Buffer.from([
  COMMIT_MAGIC >>> 24,
  (COMMIT_MAGIC >>> 16) & 255,
  (COMMIT_MAGIC >>> 8) & 255,
  COMMIT_MAGIC & 255,
]);

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
  const found = emptyHeader();
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES + COMMIT_HEADER_BYTES);
  for (let at = from - (from % COMMIT_ALIGNMENT); at < fileBytes; at += BLOCK_BYTES) {
    const count = await handle.read(block, at);
    const bytes = block.subarray(0, count);
    for (let hit = bytes.indexOf(MAGIC_BYTES); hit !== -1; hit = bytes.indexOf(MAGIC_BYTES, hit + 1)) {
      if (hit % COMMIT_ALIGNMENT !== 0 || hit >= BLOCK_BYTES || hit + COMMIT_HEADER_BYTES > count) continue;
      if (decodeCommitHeader(bytes, hit, found) !== undefined) continue;
      if (found.durableCommit < commit || (header !== undefined && found.incarnation !== header.incarnation)) continue;
      if (!(await isSound(handle, fileBytes, at + hit, bytes.subarray(hit, hit + COMMIT_HEADER_BYTES), found)))
        continue;
      return { file, position: at + hit, what: `commit ${found.commit}` };
    }
  }
  return undefined;
}

async function isSound(
  handle: DiskFile,
  fileBytes: number,
  position: number,
  header: Uint8Array,
  found: CommitHeader,
): Promise<boolean> {
  const tableBytes = found.entryCount * ROW_BYTES;
  const tableAt = position + tableOffset(found.bodyBytes);
  if (tableBytes > MAX_TABLE_BYTES || tableAt + tableBytes > fileBytes) return false;
  const table = Buffer.allocUnsafe(tableBytes);
  if ((await handle.read(table, tableAt)) < tableBytes) return false;
  return headerChecksum(header, 0, table) === readUint32(header, 60);
}
