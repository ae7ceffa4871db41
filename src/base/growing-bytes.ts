/** Bytes that become more, in mapped memory: twice as much each time, so that what is copied stays little. */
import { mappedBytes } from './mapped-bytes.ts';

const FIRST_BYTES = 64 * 1024;

export class GrowingBytes {
  /** Zeros behind `sizeBytes`; another array after it has grown. */
  bytes = mappedBytes(FIRST_BYTES);
  sizeBytes = 0;

  /** @returns where the new bytes begin. */
  grow(sizeBytes: number): number {
    const at = this.sizeBytes;
    this.sizeBytes += sizeBytes;
    if (this.sizeBytes > this.bytes.length) {
      const larger = mappedBytes(Math.max(this.bytes.length * 2, this.sizeBytes));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return at;
  }

  /** As it is now. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.sizeBytes);
  }
}
