/** A backup as it comes: its manifest, then the bytes of its files, each checked; cut, changed and mixed ones are refused. */
import { MillraceError } from '../base/errors.ts';
import { BackupFrameReader } from './backup-frame.ts';
import { type BackupFile, type BackupManifest, ownBytes, parseManifest } from './backup-manifest.ts';

export interface BackupPiece {
  readonly file: BackupFile;
  readonly position: number;
  /** Borrowed: valid until the next piece is asked for. */
  readonly bytes: Uint8Array;
}

export class BackupReader {
  readonly name: string;
  readonly manifest: BackupManifest;
  readonly #frames: BackupFrameReader;

  /**
   * Reads up to the manifest.
   *
   * @param name for messages.
   * @throws BACKUP_CORRUPT, BACKUP_INCOMPLETE, and what the bytes end with.
   */
  static async open(bytes: AsyncIterable<Uint8Array>, name: string): Promise<BackupReader> {
    const frames = new BackupFrameReader(bytes, name);
    try {
      const first = await frames.next();
      if (first === undefined) throw incomplete(name, 'it is empty');
      if (first.kind !== 'manifest') throw corrupt(name, 0, 'it does not begin with its manifest');
      return new BackupReader(name, parseManifest(first.body, name), frames);
    } catch (error) {
      await frames.close();
      throw error;
    }
  }

  private constructor(name: string, manifest: BackupManifest, frames: BackupFrameReader) {
    this.name = name;
    this.manifest = manifest;
    this.#frames = frames;
  }

  /**
   * All bytes that stand in this backup, file after file in the order of the manifest. It ends in order only where the backup
   * does: who writes what comes must not call it whole before.
   */
  async *pieces(): AsyncGenerator<BackupPiece, void, undefined> {
    const { files, id } = this.manifest;
    let bytes = 0;
    for (const [row, file] of files.entries()) {
      if (file.in !== id) continue;
      for (let position = 0; position < file.sizeBytes; ) {
        const at = this.#frames.position;
        const frame = await this.#next(bytes);
        const fits =
          frame.file === row && frame.position === position && frame.body.length <= file.sizeBytes - position;
        if (frame.kind !== 'piece' || !fits || frame.body.length === 0) {
          throw corrupt(this.name, at, `bytes of ${file.kind} ${file.number} at ${position} should stand there`);
        }
        yield { file, position, bytes: frame.body };
        position += frame.body.length;
        bytes += frame.body.length;
      }
    }
    const at = this.#frames.position;
    const end = await this.#next(bytes);
    if (end.kind !== 'end') throw corrupt(this.name, at, 'its end should stand there');
    if ((await this.#frames.next()) !== undefined) throw corrupt(this.name, at, 'more follows after its end');
  }

  /** Gives up what the bytes come from. */
  async close(): Promise<void> {
    await this.#frames.close();
  }

  async #next(bytes: number): Promise<NonNullable<Awaited<ReturnType<BackupFrameReader['next']>>>> {
    let frame: Awaited<ReturnType<BackupFrameReader['next']>>;
    try {
      frame = await this.#frames.next();
    } catch (error) {
      if (!(error instanceof MillraceError && error.details['cut'] === true)) throw error;
    }
    if (frame === undefined) throw incomplete(this.name, `it ends after ${bytes} of ${ownBytes(this.manifest)} bytes`);
    if (frame.kind === 'failed') throw incomplete(this.name, `the broker could not go on: ${reasonOf(frame.body)}`);
    return frame;
  }
}

function reasonOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body).slice(0, 1_000);
  try {
    const { message, code } = JSON.parse(text) as { message?: unknown; code?: unknown };
    return `${String(message)} (${String(code)})`;
  } catch {
    return text;
  }
}

export function incomplete(name: string, fault: string): MillraceError {
  return new MillraceError('BACKUP_INCOMPLETE', `Backup ${name} is not whole: ${fault}.`, {
    details: { backup: name },
  });
}

function corrupt(name: string, position: number, fault: string): MillraceError {
  return new MillraceError('BACKUP_CORRUPT', `Backup ${name}, position ${position}: ${fault}.`, {
    details: { backup: name, position },
  });
}
