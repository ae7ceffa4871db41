/** What the broker's thread asks of the tier worker, which alone talks to the object store. */
import type { ErrorCode } from '../../base/errors.ts';
import type { ObjectInfo } from '../../store/object-store.ts';

/** A chunk in the object store. */
export interface TieredPlace {
  readonly chunk: number;
  /** Key of its object. */
  readonly object: string;
  /** Of the chunk file. */
  readonly rawBytes: number;
  /** Of the object. */
  readonly storedBytes: number;
}

/** A chunk that was put together in memory, and has no file. */
export interface WholeChunk {
  readonly chunk: number;
  /** Whose data key encrypts it. */
  readonly prefix: string;
  /** In shared memory. */
  readonly bytes: Uint8Array;
  /** Its batches were checked on the way, and are sound. */
  readonly isChecked: boolean;
}

export type TierJob =
  /** Writes a local chunk into the store, and looks that it is there. */
  | { readonly kind: 'upload'; readonly chunk: number; readonly object: string }
  /** Writes a chunk that has no file into the store, and looks that it is there. Its bytes are looked at until the answer. */
  | (WholeChunk & { readonly kind: 'store'; readonly object: string })
  /** Learns where the blocks of a tiered chunk stand, so that a fetch is one request. */
  | { readonly kind: 'open'; readonly place: TieredPlace }
  /** Reads blocks of a tiered chunk, and checks them. `into` is shared memory of their size, written to until the answer. */
  | {
      readonly kind: 'fetch';
      readonly place: TieredPlace;
      readonly firstBlock: number;
      readonly blockCount: number;
      readonly into: Uint8Array;
    }
  /** Writes blocks that were fetched into the cache file of their chunk. `bytes` are in shared memory, and looked at until the answer. */
  | { readonly kind: 'keep'; readonly place: TieredPlace; readonly firstBlock: number; readonly bytes: Uint8Array }
  /** Removes the cache file of a chunk. */
  | { readonly kind: 'drop'; readonly chunk: number }
  | { readonly kind: 'delete'; readonly object: string }
  | { readonly kind: 'list'; readonly prefix: string };

/** What comes back, by the kind of the job. */
export interface TierResults {
  readonly upload: { readonly rawBytes: number; readonly storedBytes: number };
  readonly store: TierResults['upload'];
  readonly open: null;
  readonly fetch: {
    /** Bytes that came from the store. */
    readonly fetchedBytes: number;
    /** To read them once more costs about what it costs from a file. */
    readonly isNear: boolean;
    /** Batches in them were checked when the chunk was written into the store. */
    readonly isChecked: boolean;
  };
  readonly keep: null;
  readonly drop: null;
  readonly delete: null;
  readonly list: readonly ObjectInfo[];
}

export interface ToTierWorker {
  readonly id: number;
  readonly job: TierJob;
}

export type FromTierWorker =
  | { readonly id: number; readonly result: TierResults[TierJob['kind']] }
  /** Errors lose their class on the way between threads, so their parts travel. */
  | { readonly id: number; readonly code: ErrorCode; readonly message: string };
