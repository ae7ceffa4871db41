/** An encrypted file as a stream: as it would stand on the disk. */
import { createSecretKey } from 'node:crypto';
import type { DiskFile } from '../../journal/disk.ts';
import { NewBlockFile } from '../../journal/encryption/block-file.ts';
import { type DataKey, deriveKey } from '../../journal/encryption/data-keys.ts';
import { newHead } from '../../journal/encryption/file-head.ts';
import { BACKUP_PIECE_BYTES } from '../../store/backup-frame.ts';

/** @param content in pieces of any size. @returns pieces of at most `BACKUP_PIECE_BYTES`. */
export async function* encryptedFile(
  content: AsyncIterable<Uint8Array>,
  dataKey: DataKey,
): AsyncGenerator<Uint8Array, void, undefined> {
  const head = newHead('blocks', dataKey.number);
  const key = createSecretKey(deriveKey(dataKey, head.spans[0]?.salt ?? new Uint8Array(0), 'file'));
  const gathered = new GatheredFile();
  const file = new NewBlockFile(gathered, head, key);
  let position = 0;
  for await (const piece of content) {
    await file.write([piece], position);
    position += piece.length;
    yield* gathered.taken();
  }
  await file.close();
  yield* gathered.taken();
}

/** Takes what is written, in order, and gives it away. */
class GatheredFile implements DiskFile {
  #bytes: Uint8Array = new Uint8Array(0);

  *taken(): Generator<Uint8Array, void, undefined> {
    const bytes = this.#bytes;
    this.#bytes = new Uint8Array(0);
    for (let at = 0; at < bytes.length; at += BACKUP_PIECE_BYTES) yield bytes.subarray(at, at + BACKUP_PIECE_BYTES);
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    this.writeSync(pieces);
  }

  writeSync(pieces: readonly Uint8Array[]): void {
    this.#bytes = Buffer.concat([this.#bytes, ...pieces]);
  }

  async read(): Promise<number> {
    return 0;
  }

  async sync(): Promise<void> {}

  async truncate(): Promise<void> {}

  async size(): Promise<number> {
    return this.#bytes.length;
  }

  async close(): Promise<void> {}
}
