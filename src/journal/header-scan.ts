/**
 * Looks for commit headers by their magic where the regular walk cannot go on: behind damage.
 */
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
import type { DiskFile } from './disk.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Tables are read whole to check them; a plausible header with an absurd count is not worth the memory. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;

const MAGIC = Buffer.from([24, 16, 8, 0].map((shift) => (COMMIT_MAGIC >>> shift) & 255));

export interface FoundCommit {
  readonly position: number;
  readonly header: CommitHeader;
}

/**
 * The first commit header at or after `from` that `accept` takes and whose checksum holds; its bodies are not checked.
 * Errors are those of the disk.
 */
export async function findCommit(
  handle: DiskFile,
  fileBytes: number,
  from: number,
  accept: (header: CommitHeader) => boolean,
): Promise<FoundCommit | undefined> {
  const header = emptyHeader();
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES + COMMIT_HEADER_BYTES);
  for (let at = from - (from % COMMIT_ALIGNMENT); at < fileBytes; at += BLOCK_BYTES) {
    const count = await handle.read(block, at);
    const bytes = block.subarray(0, count);
    for (let hit = bytes.indexOf(MAGIC); hit !== -1; hit = bytes.indexOf(MAGIC, hit + 1)) {
      const position = at + hit;
      if (hit % COMMIT_ALIGNMENT !== 0 || hit >= BLOCK_BYTES || hit + COMMIT_HEADER_BYTES > count) continue;
      if (position < from || decodeCommitHeader(bytes, hit, header) !== undefined || !accept(header)) continue;
      if (await checksumHolds(handle, fileBytes, position, bytes.subarray(hit, hit + COMMIT_HEADER_BYTES), header)) {
        return { position, header };
      }
    }
  }
  return undefined;
}

async function checksumHolds(
  handle: DiskFile,
  fileBytes: number,
  position: number,
  bytes: Uint8Array,
  header: CommitHeader,
): Promise<boolean> {
  const tableBytes = header.entryCount * ROW_BYTES;
  const tableAt = position + tableOffset(header.bodyBytes);
  if (tableBytes > MAX_TABLE_BYTES || tableAt + tableBytes > fileBytes) return false;
  const table = Buffer.allocUnsafe(tableBytes);
  if ((await handle.read(table, tableAt)) < tableBytes) return false;
  return headerChecksum(bytes, 0, table) === header.checksum;
}
