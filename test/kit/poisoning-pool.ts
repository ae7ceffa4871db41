/**
 * A buffer pool that fills what comes back with 0xdd at once, and counts what is out: whoever reads bytes after their
 * last release sees the poison, and whoever forgets a release is counted.
 */
import { BufferPool, type Lease } from '../../src/base/buffer-pool.ts';

export class PoisoningPool extends BufferPool {
  /** Leases that somebody holds. */
  outstanding = 0;

  constructor(maxFreeBytes = 64 * 1024 * 1024) {
    super(maxFreeBytes);
  }

  override acquire(size: number): Lease {
    this.outstanding += 1;
    return super.acquire(size);
  }

  override takeBack(bytes: Uint8Array): void {
    this.outstanding -= 1;
    bytes.fill(0xdd);
    super.takeBack(bytes);
  }
}
