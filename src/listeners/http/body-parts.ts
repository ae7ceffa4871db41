/** A request body as it was received: in one piece of memory or in several, of the pool or of node's. */
import type { Lease } from '../../base/buffer-pool.ts';
import { asBuffer } from '../../base/bytes.ts';

interface Part {
  readonly bytes: Buffer;
  /** Of the pool; undefined: the collector takes it, or it was given away. */
  lease: Lease | undefined;
}

/** A part whose memory is the holder's. */
export interface OwnPart {
  readonly bytes: Buffer;
  readonly lease: Lease;
}

export class BodyParts {
  readonly #parts: Part[] = [];
  #sizeBytes = 0;
  /** Parts before it were given back by `passed`. */
  #first = 0;
  /** Next byte of `take`, in part `#at`. */
  #at = 0;
  #position = 0;

  /** Of all parts, also of those that were taken and given back. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Of the pool, where the body is one part that lies there: who links the bytes elsewhere retains it. */
  get lease(): Lease | undefined {
    return this.#parts.length === 1 ? this.#parts[0]?.lease : undefined;
  }

  /** Appends memory that is to be filled, from a position of the lease on; owned from here on. */
  addRoom(lease: Lease, sizeBytes: number, position = 0): Buffer {
    const bytes = asBuffer(lease.bytes.subarray(position, position + sizeBytes));
    this.#parts.push({ bytes, lease });
    this.#sizeBytes += sizeBytes;
    return bytes;
  }

  /** As `addRoom`, in the place of all parts so far: they are its beginning. @returns what is to be filled. */
  gather(lease: Lease, sizeBytes: number, position: number): Buffer {
    const before = this.#parts.splice(0);
    this.#sizeBytes = 0;
    let room = this.addRoom(lease, sizeBytes, position);
    for (const { bytes, lease: ofPart } of before) {
      room = room.subarray(bytes.copy(room));
      ofPart?.release();
    }
    return room;
  }

  add(bytes: Buffer): void {
    this.#parts.push({ bytes, lease: undefined });
    this.#sizeBytes += bytes.length;
  }

  /** The next bytes, as many as asked for and there; valid until `passed` or `release`. */
  take(count: number): Buffer[] {
    const views: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const part = this.#parts[this.#at];
      if (part === undefined) break;
      const view = part.bytes.subarray(this.#position, this.#position + left);
      views.push(view);
      left -= view.length;
      this.#position += view.length;
      if (this.#position < part.bytes.length) break;
      this.#at += 1;
      this.#position = 0;
    }
    return views;
  }

  /** The next part, where it has just so many bytes and lies in memory of the pool, which is the caller's from here on. */
  takePart(count: number): OwnPart | undefined {
    const part = this.#parts[this.#at];
    if (this.#position > 0 || part?.lease === undefined || part.bytes.length !== count) return undefined;
    const { bytes, lease } = part;
    part.lease = undefined;
    this.#at += 1;
    return { bytes, lease };
  }

  /** Gives back the memory of what was taken, so that it can be used while the rest is read. */
  passed(): void {
    for (; this.#first < this.#at; this.#first++) this.#parts[this.#first]?.lease?.release();
  }

  /** All of it side by side: in its own memory, or copied out of the pool's, which is given back. */
  whole(): Buffer {
    if (this.#parts.length === 1) return (this.#parts[0] as Part).bytes;
    const bytes = Buffer.concat(
      this.#parts.map((part) => part.bytes),
      this.#sizeBytes,
    );
    this.release();
    this.#parts.length = 0;
    this.#first = 0;
    this.#at = 0;
    this.#sizeBytes = 0;
    this.add(bytes);
    return bytes;
  }

  /** Nobody looks at the bytes any more. Safe to call twice. */
  release(): void {
    this.#at = this.#parts.length;
    this.#position = 0;
    this.passed();
  }
}
