/**
 * Checks every byte of the journal: headers, chain, tables, command checksums, CRC-32C of every batch.
 */
import type { CommitNumber } from './journal.ts';
import { type WalkedProblem, type WalkOptions, walkJournal } from './walk.ts';

export interface VerifiedFile {
  readonly kind: 'file';
  readonly file: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly firstCommit: CommitNumber;
  /** Inclusive; firstCommit - 1 when no sound commit is in the file. */
  readonly lastCommit: CommitNumber;
  readonly commitCount: number;
  readonly entryCount: number;
  /** The last commit of the file marks an orderly close. */
  readonly cleanEnd: boolean;
}

export type VerifyItem = VerifiedFile | WalkedProblem;

/**
 * Yields each problem as it is found, and each file once it is read. Does not stop at a problem.
 * @throws MillraceError JOURNAL_IO when a file cannot be read.
 */
export async function* verifyJournal(options: WalkOptions): AsyncGenerator<VerifyItem, void, undefined> {
  let current: VerifiedFile | undefined;
  for await (const item of walkJournal(options)) {
    switch (item.kind) {
      case 'file':
        if (current !== undefined) yield current;
        current = {
          kind: 'file',
          file: item.file,
          path: item.path,
          sizeBytes: item.sizeBytes,
          firstCommit: item.header.firstCommit,
          lastCommit: item.header.firstCommit - 1,
          commitCount: 0,
          entryCount: 0,
          cleanEnd: false,
        };
        break;
      case 'commit':
        current = {
          ...(current as VerifiedFile),
          lastCommit: item.commit,
          commitCount: (current as VerifiedFile).commitCount + 1,
          entryCount: (current as VerifiedFile).entryCount + item.entryCount,
          cleanEnd: item.cleanEnd,
        };
        break;
      case 'problem':
        yield item;
        break;
      default:
        item satisfies never;
    }
  }
  if (current !== undefined) yield current;
}
