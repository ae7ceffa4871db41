/**
 * Blocks of tiered chunks in memory, which the tier worker fills and the broker's thread reads. All of it together is bounded; what
 * was read longest ago gives way.
 *
 * ```
 *  reserved ──► being filled ──► filled ──► given up: its memory is used again
 *      │             ├ failed, says the worker ──► its memory is used again
 *      │             └ the worker died ──► lost: it may still write there
 *      └ bytes count from here on
 * ```
 */
import { Lease } from '../../base/buffer-pool.ts';
import type { Clock } from '../../base/clock.ts';
import { COLD_RUN_BYTES } from '../../store/read-plan.ts';
import { TIER_BLOCK_BYTES } from '../../store/tiered-chunk.ts';
import { SharedArena } from './shared-arena.ts';
import { TierJobError } from './tier-link.ts';

/** What one reader in order has on its way and holds, and some for others. */
const MAX_BYTES = 72 * 1024 * 1024;
/** What was fetched ahead, and for so long not read, was for somebody who has left. */
const IDLE_MS = 1_000;

/** Neighbouring blocks of one chunk, fetched by one request. */
export class BlockRun {
  readonly firstBlock: number;
  readonly blockCount: number;
  readonly sizeBytes: number;
  readonly memoryBytes: number;
  /** It is given up: its blocks are to be fetched anew, unless they are in the file. */
  readonly givenUp: (run: BlockRun) => void;
  /** Rejects where the fetch failed. */
  arrived: Promise<void> = Promise.resolve();
  /** Who reads from it, writes it down, or waits for it: its memory stays for them. */
  users = 0;
  /** It may be given up before somebody reads it (again): somebody has, to its end, or the file has it. */
  mayGo = false;
  touchedAt = 0;
  /** Batches in it were checked when the chunk was written into the store. */
  isChecked = false;
  #lease: Lease | undefined;

  constructor(firstBlock: number, blockCount: number, sizeBytes: number, givenUp: (run: BlockRun) => void) {
    this.firstBlock = firstBlock;
    this.blockCount = blockCount;
    this.sizeBytes = sizeBytes;
    this.memoryBytes = blockCount * TIER_BLOCK_BYTES;
    this.givenUp = givenUp;
  }

  /** Undefined: it is not there yet, or not any more. */
  get bytes(): Uint8Array | undefined {
    return this.#lease?.bytes;
  }

  /** For `BlockMemory`. */
  filled(lease: Lease): void {
    this.#lease = lease;
  }

  /** For `BlockMemory`. */
  release(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }
}

export class BlockMemory {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** With some more than runs may have, for holes between them. */
  #arena: SharedArena;
  /** The one touched longest ago first. */
  readonly #filled = new Set<BlockRun>();
  #sizeBytes = 0;

  constructor(clock: Clock, maxBytes = MAX_BYTES) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#arena = newArena(maxBytes);
  }

  /** Memory of all runs, those included that are yet to be filled. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Leased out it would keep others from coming. */
  get isFull(): boolean {
    return this.#sizeBytes > this.#maxBytes;
  }

  /** Gives up what it may. @returns false where so much would still be too much. */
  hasRoom(sizeBytes: number): boolean {
    while (this.#sizeBytes + sizeBytes > this.#maxBytes) if (!this.#giveUpOne()) return false;
    return true;
  }

  /** The run counts from now on, also where there is no room: somebody waits for it. */
  reserve(run: BlockRun): void {
    this.hasRoom(run.memoryBytes);
    this.#sizeBytes += run.memoryBytes;
  }

  /** @param work fills the memory; nobody writes into it after it has ended well, or with a `TierJobError`. @throws as `work`. */
  async load<T>(run: BlockRun, work: (into: Uint8Array) => Promise<T>): Promise<T> {
    // Where many wait, there was no room when they came.
    this.hasRoom(0);
    const lease = this.#take(run.sizeBytes);
    try {
      const result = await work(lease.bytes);
      run.filled(lease);
      this.touch(run);
      return result;
    } catch (error) {
      this.#sizeBytes -= run.memoryBytes;
      // A worker that died may have left a read behind that still ends there: those who read beside it keep what they have.
      if (error instanceof TierJobError) lease.release();
      else this.#arena = newArena(this.#maxBytes);
      run.givenUp(run);
      throw error;
    }
  }

  /** Bytes of the run, which stay while the lease is held. */
  lease(run: BlockRun, start: number, end: number): Lease {
    run.users += 1;
    const bytes = (run.bytes as Uint8Array).subarray(start, end);
    return new Lease(bytes, {
      takeBack: () => {
        run.users -= 1;
      },
    });
  }

  /** It is read now, or came now. */
  touch(run: BlockRun): void {
    run.touchedAt = this.#clock.monotonic();
    this.#filled.delete(run);
    this.#filled.add(run);
  }

  #take(sizeBytes: number): Lease {
    let lease = this.#arena.take(sizeBytes);
    while (lease === undefined && this.#giveUpOne()) lease = this.#arena.take(sizeBytes);
    // More is waited for than there is, or it is cut up by what is used.
    return lease ?? new Lease(new Uint8Array(new SharedArrayBuffer(sizeBytes)));
  }

  /** The one touched longest ago of those that may go. @returns false: there is none. */
  #giveUpOne(): boolean {
    const before = this.#clock.monotonic() - IDLE_MS;
    for (const run of this.#filled) {
      if (run.users > 0 || !(run.mayGo || run.touchedAt < before)) continue;
      this.#filled.delete(run);
      this.#sizeBytes -= run.memoryBytes;
      run.release();
      run.givenUp(run);
      return true;
    }
    return false;
  }
}

function newArena(maxBytes: number): SharedArena {
  return new SharedArena(TIER_BLOCK_BYTES, Math.ceil((maxBytes + COLD_RUN_BYTES) / TIER_BLOCK_BYTES));
}
