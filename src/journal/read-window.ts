/**
 * Memory through which a file is read once from front to back, the next block being read while this one is worked on.
 *
 * ```
 *  bytes:  | headroom ......[kept]| block ................ |
 *                           ^from                      end^     the other buffer takes the block behind `end`
 * ```
 *
 * What a step has not consumed is copied right in front of the next block, so that a commit is always contiguous.
 */
import type { DiskFile } from './disk.ts';

/** Large reads reach the speed of the page cache; larger ones only cost memory. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** Room for what is kept: about the largest usual commit. What exceeds it gets memory of its own. */
const HEADROOM_BYTES = 4 * 1024 * 1024;

const BUFFER_BYTES = HEADROOM_BYTES + BLOCK_BYTES;

interface Ahead {
  readonly buffer: Buffer;
  readonly position: number;
  readonly sizeBytes: number;
  readonly read: Promise<number>;
}

export class ReadWindow {
  /** The byte at file position `p` is `bytes[p - at]`, for p from the last `from` to `end`, exclusive. */
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  #handle: DiskFile | undefined;
  #fileBytes = 0;
  #spare: Buffer | undefined;
  #ahead: Ahead | undefined;

  /** Turns to another file. `settle` the one before first. */
  begin(handle: DiskFile, fileBytes: number, position: number): void {
    this.#handle = handle;
    this.#fileBytes = fileBytes;
    this.#restart(position);
  }

  /**
   * Makes at least `needed` bytes from `from` on readable; they lie inside the file, and `from` never goes back.
   * @throws what the disk throws; EIO when the file has become shorter.
   */
  async fill(from: number, needed: number): Promise<void> {
    if (from > this.end) {
      await this.settle();
      this.#restart(from);
    }
    if (this.#ahead !== undefined) await this.#takeAhead(this.#ahead, from);
    if (from + needed > this.end) await this.#readMore(from, needed);
    this.#readAhead();
  }

  /** Waits for a read that is still under way: call before the file is closed. */
  async settle(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead === undefined) return;
    await ahead.read.catch(() => 0);
    this.#spare = ahead.buffer;
  }

  #restart(position: number): void {
    this.at = position;
    this.end = position;
  }

  async #takeAhead(ahead: Ahead, from: number): Promise<void> {
    const count = await ahead.read;
    this.#ahead = undefined;
    if (count < ahead.sizeBytes) throw shorter();
    const kept = this.end - from;
    const fits = kept <= HEADROOM_BYTES;
    const target = fits ? ahead.buffer : Buffer.allocUnsafeSlow(kept + count);
    const start = fits ? HEADROOM_BYTES - kept : 0;
    this.bytes.copy(target, start, from - this.at, this.end - this.at);
    if (!fits) ahead.buffer.copy(target, kept, HEADROOM_BYTES, HEADROOM_BYTES + count);
    this.#keepSpare(fits ? this.bytes : ahead.buffer);
    this.bytes = target;
    this.at = from - start;
    this.end = ahead.position + count;
  }

  async #readMore(from: number, needed: number): Promise<void> {
    const kept = this.end - from;
    const target = this.#largeEnough(needed);
    this.bytes.copy(target, 0, from - this.at, this.end - this.at);
    if (target !== this.bytes) this.#keepSpare(this.bytes);
    this.bytes = target;
    this.at = from;
    const room = Math.min(target.length, this.#fileBytes - from) - kept;
    const count = await (this.#handle as DiskFile).read(target.subarray(kept, kept + room), this.end);
    this.end += count;
    if (count < room) throw shorter();
  }

  #largeEnough(needed: number): Buffer {
    if (needed <= this.bytes.length && this.bytes.length > 0) return this.bytes;
    return needed <= BUFFER_BYTES ? this.#takeSpare() : Buffer.allocUnsafeSlow(needed);
  }

  #readAhead(): void {
    const sizeBytes = Math.min(BLOCK_BYTES, this.#fileBytes - this.end);
    if (sizeBytes <= 0 || this.#ahead !== undefined) return;
    const buffer = this.#takeSpare();
    const position = this.end;
    const read = (this.#handle as DiskFile).read(buffer.subarray(HEADROOM_BYTES, HEADROOM_BYTES + sizeBytes), position);
    // Whoever takes the block sees the error; nobody does when the reading ends early.
    read.catch(() => {});
    this.#ahead = { buffer, position, sizeBytes, read };
  }

  #takeSpare(): Buffer {
    const spare = this.#spare ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#spare = undefined;
    return spare;
  }

  #keepSpare(buffer: Buffer): void {
    if (buffer.length === BUFFER_BYTES) this.#spare = buffer;
  }
}

/** Another process cut the file while it is read. */
function shorter(): NodeJS.ErrnoException {
  return Object.assign(new Error('the file became shorter while it was read'), { code: 'EIO' });
}
