/** Which order files there are, and which commits they are about; their headers are read when somebody first asks. */
import { MillraceError } from '../base/errors.ts';
import type { Disk } from '../journal/disk.ts';
import type { CommitNumber } from '../journal/journal.ts';
import { journalDirectory, numberedFiles, orderPath } from '../journal/paths.ts';
import { decodeOrderHeader, ORDER_HEADER_BYTES, type OrderHeader } from './order-file.ts';

export class OrderFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  /** In order; what lies between two of them was not readable any more. */
  #headers: readonly OrderHeader[] = [];
  readonly #known = new Map<number, OrderHeader>();
  #loading: Promise<void> | undefined;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Files have come or gone: the next `load` looks. */
  changed(): void {
    this.#loading = undefined;
  }

  /** @throws STORE_CORRUPT, or what the disk refuses with. */
  async load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    await this.#loading;
  }

  /** Of the oldest file; undefined where there is none. As of the last `load`. */
  get firstCommit(): CommitNumber | undefined {
    return this.#headers[0]?.firstCommit;
  }

  /** The first file that has this commit or later ones. */
  from(commit: CommitNumber): OrderHeader | undefined {
    return this.#headers.find(({ lastCommit }) => lastCommit >= commit);
  }

  async #load(): Promise<void> {
    const numbers = numberedFiles(await this.#disk.list(journalDirectory(this.#directory)), 'order');
    const headers: OrderHeader[] = [];
    for (const file of numbers) {
      const header = this.#known.get(file) ?? (await this.#read(file));
      if (header === undefined) continue;
      this.#known.set(file, header);
      headers.push(header);
    }
    for (const file of this.#known.keys()) if (!numbers.includes(file)) this.#known.delete(file);
    this.#headers = headers;
  }

  async #read(file: number): Promise<OrderHeader | undefined> {
    const path = orderPath(this.#directory, file);
    const bytes = new Uint8Array(ORDER_HEADER_BYTES);
    try {
      const handle = await this.#disk.open(path, 'read');
      try {
        await handle.read(bytes, 0);
      } finally {
        await handle.close();
      }
    } catch (error) {
      // Removed since it was listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const header = decodeOrderHeader(bytes, file);
    if (typeof header === 'string') throw damagedOrder(path, header);
    return header;
  }
}

export function damagedOrder(path: string, fault: string): MillraceError {
  return new MillraceError(
    'STORE_CORRUPT',
    `Order file ${path} is damaged: ${fault}. Its records can be read topic by topic; to read on over many topics, begin behind it.`,
    { details: { path, fault } },
  );
}
