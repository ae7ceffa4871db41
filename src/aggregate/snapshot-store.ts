/** States of aggregates at some offset, so that opening one does not read its stream from the start. */
import type { AbortOptions } from '../client/internal.ts';

/** A state as of some offset. */
export interface Snapshot<State> {
  readonly state: State;
  /** Of the first event that the state has not seen. */
  readonly nextOffset: bigint;
  /** What made the state: snapshots of another version are not used. */
  readonly version: string;
}

/** Losing a snapshot costs time and nothing else: it can always be made again. */
export interface SnapshotStore<State> {
  /** @param stream `topic/partition`. @returns the newest of that version; undefined where there is none. */
  load(stream: string, version: string, options: AbortOptions): Promise<Snapshot<State> | undefined>;
  /** Several programs may save the same stream; whichever is kept must be whole. */
  save(stream: string, snapshot: Snapshot<State>, options: AbortOptions): Promise<void>;
}
