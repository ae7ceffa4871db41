/**
 * Pieces of streams that many readers get: the first one to be at a place makes the piece, and whoever is there too while
 * it is made, or soon after, gets the same bytes. A thousand followers of a topic cost one rendering of each record.
 *
 * A piece is what is between two offsets, which never changes; only what is deleted may not be given out any more.
 */

export interface SharedPiece {
  readonly bytes: Buffer;
  readonly recordCount: number;
  /** Behind the last record, and what else was passed; -1: the piece came out as the maker's alone. */
  readonly nextOffset: number;
  /** To be called once the socket has the bytes, by the one whose alone they are. */
  readonly release?: (() => void) | undefined;
  /** The bytes as a chunk of an answer, where they are nobody else's. */
  readonly chunk?: Buffer | undefined;
}

/** Followers that keep up are at one of the newest places. */
const MAX_PIECES = 256;
const MAX_BYTES = 4 * 1024 * 1024;

export class SharedPieces {
  /** Oldest first. */
  readonly #pieces = new Map<string, SharedPiece>();
  readonly #making = new Map<string, Promise<SharedPiece | undefined>>();
  #sizeBytes = 0;
  /** Given out again. */
  shared = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * The piece at a place; made by the caller where nobody has, or is about to.
   *
   * @param key the place, and all that the bytes depend on.
   * @param make undefined: there is nothing to be shared now. What it throws is the caller's; others make their own.
   * @returns whether it is the caller's own; undefined: there is none, and the caller must look for itself.
   */
  async take(
    key: string,
    make: () => Promise<SharedPiece | undefined>,
  ): Promise<{ readonly piece: SharedPiece; readonly isOwn: boolean } | undefined> {
    const known = this.#pieces.get(key);
    if (known !== undefined) return this.#given(known);
    const running = this.#making.get(key);
    if (running !== undefined) {
      const piece = await running.catch(() => undefined);
      return piece === undefined || piece.nextOffset < 0 ? undefined : this.#given(piece);
    }
    const making = make();
    this.#making.set(key, making);
    try {
      const piece = await making;
      if (piece === undefined) return undefined;
      if (piece.nextOffset >= 0) this.#keep(key, piece);
      return { piece, isOwn: true };
    } finally {
      this.#making.delete(key);
    }
  }

  #given(piece: SharedPiece) {
    this.shared += 1;
    return { piece, isOwn: false };
  }

  #keep(key: string, piece: SharedPiece): void {
    if (piece.bytes.length > MAX_BYTES) return;
    this.#pieces.set(key, piece);
    this.#sizeBytes += piece.bytes.length;
    for (const [oldest, { bytes }] of this.#pieces) {
      if (this.#pieces.size <= MAX_PIECES && this.#sizeBytes <= MAX_BYTES) break;
      this.#pieces.delete(oldest);
      this.#sizeBytes -= bytes.length;
    }
  }
}
