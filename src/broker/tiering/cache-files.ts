/** Cache files of chunks, as the tier worker writes them: of a chunk's length, with holes where its blocks are not yet. */
import type { Disk, DiskFile } from '../../journal/disk.ts';
import { cacheDirectory, cachePath } from '../../journal/paths.ts';
import type { TieredPlace } from './messages.ts';

interface CacheFile {
  readonly opened: Promise<DiskFile>;
  /** Not one of them rejects. */
  readonly writes: Set<Promise<void>>;
}

export class CacheFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #files = new Map<number, CacheFile>();
  /** Being removed, by chunk; never rejects. */
  readonly #going = new Map<number, Promise<void>>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Where the file is being removed, this waits until it is gone, and begins with an empty one. */
  async write(place: TieredPlace, bytes: Uint8Array, position: number): Promise<void> {
    const { chunk } = place;
    for (let going = this.#going.get(chunk); going !== undefined; going = this.#going.get(chunk)) await going;
    const file = this.#files.get(chunk) ?? this.#open(place);
    const writing = file.opened.then((opened) => opened.write([bytes], position));
    const ended = settled(writing);
    file.writes.add(ended);
    await writing.finally(() => file.writes.delete(ended));
  }

  /** Removes the file, behind what is being written into it. */
  async drop(chunk: number): Promise<void> {
    const removing = this.#remove(chunk, this.#files.get(chunk), this.#going.get(chunk));
    this.#files.delete(chunk);
    const going = settled(removing);
    this.#going.set(chunk, going);
    await removing.finally(() => {
      if (this.#going.get(chunk) === going) this.#going.delete(chunk);
    });
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    await Promise.all([...files.map(closed), ...this.#going.values()]);
  }

  #open({ chunk, rawBytes }: TieredPlace): CacheFile {
    const file = { opened: this.#create(chunk, rawBytes), writes: new Set<Promise<void>>() };
    this.#files.set(chunk, file);
    // Unless it is another one by now.
    file.opened.catch(() => this.#files.get(chunk) === file && this.#files.delete(chunk));
    return file;
  }

  async #create(chunk: number, rawBytes: number): Promise<DiskFile> {
    const path = cachePath(this.#directory, chunk);
    await this.#disk.makeDirectory(cacheDirectory(this.#directory));
    await this.#disk.remove(path);
    const file = await this.#disk.open(path, 'create');
    // The blocks that are not there yet are holes; the length is that of the chunk, as readers expect.
    await file.truncate(rawBytes);
    return file;
  }

  async #remove(chunk: number, file: CacheFile | undefined, before: Promise<void> | undefined): Promise<void> {
    await before;
    if (file !== undefined) await closed(file);
    await this.#disk.remove(cachePath(this.#directory, chunk));
  }
}

/** The number of a file that is closed is the next one's: what is still written there would go into that. */
async function closed({ opened, writes }: CacheFile): Promise<void> {
  await Promise.all(writes);
  await (await opened.catch(() => undefined))?.close();
}

async function settled(work: Promise<void>): Promise<void> {
  await work.catch(() => undefined);
}
