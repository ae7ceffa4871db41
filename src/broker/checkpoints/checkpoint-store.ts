/** Checkpoints on disk: which there are, the newest that is sound, writing one, dropping old ones. */
import { MillraceError } from '../../base/errors.ts';
import { mappedBytes } from '../../base/mapped-bytes.ts';
import type { Disk } from '../../journal/disk.ts';
import { checkpointDirectory, checkpointPath, numberedFiles } from '../../journal/paths.ts';
import { readWhole, writeParts } from '../../journal/whole-file.ts';
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  type NewCheckpoint,
} from '../../store/checkpoint-file.ts';

export class CheckpointStore {
  readonly #disk: Disk;
  readonly #directory: string;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /**
   * The newest sound checkpoint of a file at or before `lastFile`.
   *
   * @param passedOver told of each that cannot be used, with its path and the reason; it stays where it is.
   */
  async newest(lastFile: number, passedOver: (problem: string) => void): Promise<Checkpoint | undefined> {
    for (const file of (await this.#files()).toReversed()) {
      if (file > lastFile) continue;
      const path = checkpointPath(this.#directory, file);
      try {
        return decodeCheckpoint(await readWhole(this.#disk, path, mappedBytes), path);
      } catch (error) {
        passedOver(problemOf(path, error));
      }
    }
    return undefined;
  }

  /**
   * @param before file of the sound checkpoint that came before: it is kept, should the new one turn out damaged. All
   *   older ones are removed; undefined, where none was sound, keeps everything.
   */
  async write(checkpoint: NewCheckpoint, before: number | undefined): Promise<void> {
    const directory = checkpointDirectory(this.#directory);
    await this.#disk.makeDirectory(directory);
    await writeParts(
      this.#disk,
      directory,
      checkpointPath(this.#directory, checkpoint.file),
      encodeCheckpoint(checkpoint),
    );
    for (const file of await this.#files()) {
      if (before !== undefined && file < before) await this.#disk.remove(checkpointPath(this.#directory, file));
    }
  }

  async #files(): Promise<number[]> {
    return numberedFiles(await this.#disk.list(checkpointDirectory(this.#directory)), 'checkpoint');
  }
}

/** What the disk refuses with need not name the file. */
function problemOf(path: string, error: unknown): string {
  const { message } = error as Error;
  if (error instanceof MillraceError && message.includes(path)) return message;
  return `Checkpoint ${path} cannot be read: ${message.replace(/\.$/, '')}.`;
}
