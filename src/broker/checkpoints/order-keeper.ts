/**
 * Order files (`src/store/order-file.ts`), the worker's side: one is written before a journal file goes, about what is
 * readable of it, which stands in chunks by then; and removed when nothing of that is readable any more.
 */
import type { Disk } from '../../journal/disk.ts';
import { decodeFileHeader, FILE_HEADER_BYTES } from '../../journal/file-header.ts';
import { scanFile } from '../../journal/file-scan.ts';
import type { CommitNumber } from '../../journal/journal.ts';
import { journalDirectory, journalPath, numberedFiles, orderPath } from '../../journal/paths.ts';
import { readWhole, writeWhole } from '../../journal/whole-file.ts';
import type { LogStore } from '../../store/log-store.ts';
import { OrderBuilder, type OrderRow, orderRows } from '../../store/order-file.ts';

export class OrderKeeper {
  readonly #disk: Disk;
  readonly #directory: string;
  /** A readable row of each file, so that most are not read again and again. */
  readonly #witnesses = new Map<number, OrderRow>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Durable when it resolves. @throws JOURNAL_CORRUPT, or what the disk refuses with: then the journal file must stay. */
  async keep(file: number, sizeBytes: number, store: LogStore): Promise<void> {
    const builder = new OrderBuilder();
    let entry = 0;
    let commit: CommitNumber = 0;
    const enter = (of: CommitNumber): number => {
      if (of !== commit) entry = 0;
      commit = of;
      return entry++;
    };
    const path = journalPath(this.#directory, file);
    const firstCommit = await this.#firstCommit(path);
    const end = await scanFile(this.#disk, path, file, sizeBytes, {
      command: (_type, _body, of) => void enter(of),
      batchHeaders: (run, bytes) => {
        const { partition, baseOffset, offsetCount } = run;
        const row = {
          commit: run.commit,
          entry: enter(run.commit),
          partition,
          baseOffset,
          offsetCount,
          sizeBytes: bytes,
        };
        if (isReadable(row, store)) builder.add(row);
      },
    });
    if (builder.isEmpty || firstCommit === undefined) return;
    const pieces = builder.finish(file, firstCommit, end.commit);
    await writeWhole(this.#disk, journalDirectory(this.#directory), orderPath(this.#directory, file), pieces);
  }

  /** @returns numbers of the files that are gone. */
  async removeDead(store: LogStore): Promise<number[]> {
    const folder = journalDirectory(this.#directory);
    const removed: number[] = [];
    for (const file of numberedFiles(await this.#disk.list(folder), 'order')) {
      if (await this.#isNeeded(file, store)) continue;
      await this.#disk.remove(orderPath(this.#directory, file));
      this.#witnesses.delete(file);
      removed.push(file);
    }
    if (removed.length > 0) await this.#disk.syncDirectory(folder);
    return removed;
  }

  async #isNeeded(file: number, store: LogStore): Promise<boolean> {
    const witness = this.#witnesses.get(file);
    if (witness !== undefined && isReadable(witness, store)) return true;
    for (const rows of orderRows(await readWhole(this.#disk, orderPath(this.#directory, file)), file)) {
      // Damaged: readers name it, and nobody knows what is in it.
      if (typeof rows === 'string') return true;
      const found = rows.find((row) => isReadable(row, store));
      if (found === undefined) continue;
      this.#witnesses.set(file, found);
      return true;
    }
    return false;
  }

  async #firstCommit(path: string): Promise<CommitNumber | undefined> {
    const handle = await this.#disk.open(path, 'read');
    try {
      const bytes = new Uint8Array(FILE_HEADER_BYTES);
      const outcome = decodeFileHeader(bytes.subarray(0, await handle.read(bytes, 0)));
      return outcome.kind === 'header' ? outcome.header.firstCommit : undefined;
    } finally {
      await handle.close();
    }
  }
}

function isReadable({ partition, baseOffset, offsetCount }: OrderRow, store: LogStore): boolean {
  const found = store.partition(partition);
  return found !== undefined && baseOffset + offsetCount > found.logStartOffset;
}
