/** Writes files piece by piece, one after the other; each is on stable storage before the next begins. */
import type { Disk, DiskFile } from '../../journal/disk.ts';
import type { BackupPiece } from '../../store/backup-reader.ts';
import { pathOf } from './backups.ts';

export class BackupFileWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  #path = '';
  #handle: DiskFile | undefined;
  files = 0;
  bytes = 0;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  async write({ file, position, bytes }: BackupPiece): Promise<void> {
    const path = pathOf(this.#directory, file.kind, file.number);
    if (path !== this.#path) {
      await this.finish();
      this.#handle = await this.#disk.open(path, 'create');
      this.#path = path;
      this.files += 1;
    }
    await this.#handle?.write([bytes], position);
    this.bytes += bytes.length;
  }

  /** The last file is whole. */
  async finish(): Promise<void> {
    await this.#handle?.sync();
    await this.close();
  }

  /** Gives up where it is. Safe to call twice. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#path = '';
    await handle?.close();
  }
}
