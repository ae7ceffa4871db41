/** What the broker's thread and the checkpoint worker say to each other. */
import type { DataKey } from '../../journal/encryption/data-keys.ts';
import type { BrokerSettings } from '../settings.ts';
import type { TieredPlace, WholeChunk } from '../tiering/messages.ts';

export interface WorkerStart {
  readonly directory: string;
  readonly settings: BrokerSettings;
  /** As by a `hold` that came before everything else. */
  readonly held: boolean;
  /** Undefined: nothing is encrypted. */
  readonly keys: readonly DataKey[] | undefined;
  /** Collections of garbage may be begun: the process is a broker's alone. */
  readonly collects: boolean;
}

export type ToWorker =
  /** A closed, durable journal file; files come in order. */
  | { readonly kind: 'fold'; readonly file: number; readonly sizeBytes: number }
  /** Write a checkpoint of what is folded, if there is news, and remove what nothing needs. */
  | { readonly kind: 'checkpoint' }
  /**
   * Seal what closed files up to `file` have brought, if it is enough. `nextChunk` is that of the broker's state: where the worker's
   * is another one, the round before is not folded yet, and nothing is done. `all`: also what retention deletes soon.
   * `straight`: large chunks go into the object store, and into no file.
   */
  | {
      readonly kind: 'seal';
      readonly file: number;
      readonly now: number;
      readonly nextChunk: number;
      readonly all: boolean;
      readonly straight: boolean;
    }
  /** Answer to `store`, heard at once; undefined: it could not be stored. */
  | { readonly kind: 'stored'; readonly chunk: number; readonly place: TieredPlace | undefined }
  /** Of the broker's thread, while a round of sealing runs: told about once a second, heard at once. */
  | { readonly kind: 'load'; readonly busy: boolean }
  /** Remove nothing from now on, heard at once and answered when nothing is being removed; or go on removing. */
  | { readonly kind: 'hold'; readonly held: boolean }
  /** Write a checkpoint of what is folded, and end. */
  | { readonly kind: 'finish' };

export type FromWorker =
  /** `ranges`: the numbers of `PackedRanges`. */
  | { readonly kind: 'indexed'; readonly file: number; readonly ranges: Float64Array }
  /**
   * `removed`: journal files and chunks that nothing needs any more and that were removed, with their indexes;
   * `removedOrders`: order files that went the same way.
   */
  | {
      readonly kind: 'checkpointed';
      readonly file: number;
      readonly removed: readonly number[];
      readonly removedOrders: readonly number[];
    }
  /** For the log: a checkpoint that could not be used, when the state was loaded. */
  | { readonly kind: 'passed-over'; readonly problem: string }
  /** A chunk of the round that runs is there. */
  | { readonly kind: 'progress'; readonly sizeBytes: number }
  /** Put a chunk of the round that runs into the object store. Its bytes are the worker's again with the answer. */
  | (WholeChunk & { readonly kind: 'store' })
  /** Answer to `seal`: commands for the journal, to be committed one by one in this order; none: nothing was done. */
  | {
      readonly kind: 'sealed';
      /** Last journal file of the round; 0 where nothing was done. */
      readonly through: number;
      readonly commands: readonly Uint8Array[];
      /** Files of chunks. */
      readonly chunks: readonly { readonly chunk: number; readonly sizeBytes: number }[];
      /** Chunks that are in the object store alone. */
      readonly tiered: readonly TieredPlace[];
      /** For the log: damaged batches that were found, or why nothing could be sealed. */
      readonly problems: readonly string[];
    }
  /** Answer to a `hold` that holds. */
  | { readonly kind: 'held' }
  | { readonly kind: 'failed'; readonly message: string };
