/**
 * Collects the image of commits as pieces of memory, in journal order: small bodies are copied one after another into
 * chunks from the pool, large ones stay where they lie. A chunk serves many commits, and what stands in it is verbatim
 * what stands in the file, so that one hold of the tail cache covers headers, bodies and tables alike.
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';

/** One stretch of the journal's image. The lease is held once by whoever holds the piece. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly lease: Lease;
}

/** Room in memory to be filled by the caller, `at` inclusive. */
export interface Room {
  bytes: Uint8Array;
  at: number;
}

const CHUNK_BYTES = 1024 * 1024;

/** What is larger gets memory of its own: it would leave too much of a chunk unused. */
const MAX_IN_CHUNK_BYTES = 128 * 1024;

export class Gather {
  readonly #pool: BufferPool;
  #chunk: Lease | undefined;
  /** Bytes of the chunk that are taken. */
  #used = 0;
  /** Where the piece begins that has not been cut off yet. */
  #pieceStart = 0;
  #pieces: Piece[] = [];
  readonly #room: Room = { bytes: new Uint8Array(0), at: 0 };

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Next `count` bytes of the image, contiguous, content undefined. The answer is valid until the next call. */
  reserve(count: number): Room {
    if (count > MAX_IN_CHUNK_BYTES) {
      this.#cut();
      const lease = this.#pool.acquire(count);
      this.#pieces.push({ bytes: lease.bytes.subarray(0, count), lease });
      this.#room.bytes = lease.bytes;
      this.#room.at = 0;
      return this.#room;
    }
    if (this.#chunk === undefined || this.#chunk.bytes.length - this.#used < count) this.#nextChunk();
    const chunk = this.#chunk as unknown as Lease;
    this.#room.bytes = chunk.bytes;
    this.#room.at = this.#used;
    this.#used += count;
    return this.#room;
  }

  /** Appends a copy. */
  copy(bytes: Uint8Array): void {
    const room = this.reserve(bytes.length);
    room.bytes.set(bytes, room.at);
  }

  /** Appends without copying; the bytes must not change from here on. */
  link(bytes: Uint8Array, lease: Lease): void {
    this.#cut();
    this.#pieces.push({ bytes, lease: lease.retain() });
  }

  /** The pieces since the last call, adjacent ones merged; the caller holds their leases. */
  take(): Piece[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Gives back everything not taken. */
  release(): void {
    for (const piece of this.take()) piece.lease.release();
    this.#chunk?.release();
    this.#chunk = undefined;
    this.#used = 0;
    this.#pieceStart = 0;
  }

  #cut(): void {
    if (this.#chunk === undefined || this.#pieceStart === this.#used) return;
    const bytes = this.#chunk.bytes.subarray(this.#pieceStart, this.#used);
    this.#pieces.push({ bytes, lease: this.#chunk.retain() });
    this.#pieceStart = this.#used;
  }

  #nextChunk(): void {
    this.#cut();
    this.#chunk?.release();
    this.#chunk = this.#pool.acquire(CHUNK_BYTES);
    this.#used = 0;
    this.#pieceStart = 0;
  }
}
