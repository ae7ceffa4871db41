/**
 * An object store as Millrace uses one: flat keys, whole objects written at once, ranges read. Implementations stand in
 * `src/tier`; each passes `test/kit/object-store-contract.ts`.
 *
 * Keys are `/`-separated words of `[A-Za-z0-9._-]`, at most 512 characters. Calls may run at the same time, in any order.
 */
export interface ObjectStore {
  /** For people: where it is, without secrets. */
  readonly url: string;

  /**
   * Writes a whole object; it is there whole or not at all, and durable when it resolves.
   *
   * @param body may come in pieces, which stand back to back then; it is looked at until the answer.
   * @param options.ifAbsent only where there is none: one of many writers at the same time wins.
   * @returns `exists`: there is one already, which may be that of an earlier try whose answer was lost.
   * @throws TIER_OUTCOME_UNKNOWN (it may be there, or come to be), TIER_REFUSED, TIER_UNAVAILABLE (it is not there).
   */
  put(key: string, body: ObjectBody, options?: { readonly ifAbsent?: boolean }): Promise<'stored' | 'exists'>;

  /**
   * The object, or a range of it: exactly as many bytes as were asked for.
   *
   * @param into memory for the range, which may be longer; the bytes lie in it, or elsewhere where the store has them already.
   * @returns undefined where there is none.
   * @throws TIER_CORRUPT where the object ends before the range does, or fewer bytes came than were announced;
   *   TIER_UNAVAILABLE, TIER_REFUSED.
   */
  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined>;

  /** True: reading from it costs what reading a file of the machine does, so that copies of what it has are of no use. */
  isNear?(): Promise<boolean>;

  /** All objects whose keys begin so, in no order. @throws TIER_UNAVAILABLE, TIER_REFUSED. */
  list(prefix: string): AsyncIterable<ObjectInfo>;

  /** An absent object is no error. @throws TIER_UNAVAILABLE (it may be gone or not), TIER_REFUSED. */
  delete(key: string): Promise<void>;
}

/** In one piece or in several, which may be none. */
export type ObjectBody = Uint8Array | readonly Uint8Array[];

export function piecesOf(body: ObjectBody): readonly Uint8Array[] {
  return body instanceof Uint8Array ? [body] : body;
}

export interface ByteRange {
  readonly position: number;
  /** Above 0. */
  readonly sizeBytes: number;
}

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** By the store's own clock. */
  readonly ageMs: number;
}
