/**
 * The end of a transaction as entries of one commit: a marker in every partition it wrote to, the state of its id, and
 * on commit the offsets of its groups. What other brokers do in two phases is one step here: a crash leaves all of it or
 * nothing, and a reader sees all of it at once.
 */
import type { CommitBuilder } from '../../journal/journal.ts';
import { stampBatch } from '../../model/record-batch.ts';
import type { LogStore } from '../../store/log-store.ts';
import type { Partition } from '../../store/partition.ts';
import { encodeOffsetChanges, type TopicChanges } from '../groups/offset-commands.ts';
import { LEADER_EPOCH } from '../produce.ts';
import { COMMAND } from '../state-part.ts';
import { encodeMarker } from './marker.ts';
import { type AbortedRange, transactionCommands } from './transaction-commands.ts';
import type { PendingOffsets, TransactionRecord } from './transactions-state.ts';

export interface Ending {
  readonly committed: boolean;
  /** Of the markers: the record's, or one more, after which partitions refuse what the transaction still sends. */
  readonly markerEpoch: number;
  /** Who has the id from now on, and under which epoch. */
  readonly producerId: number;
  readonly producerEpoch: number;
  /** With which the end may be repeated; -1: none may. */
  readonly previousEpoch: number;
  /** Wall clock, milliseconds. */
  readonly at: number;
}

/** Inside a build. Of a transaction that is not ongoing there is nothing but the new epoch. */
export function stageEnd(commit: CommitBuilder, store: LogStore, record: TransactionRecord, ending: Ending): void {
  const { transactionalId } = record;
  const { committed, at } = ending;
  // The fold of the end clears the record: what it holds is taken first.
  const offsets = committed ? offsetBodies(record, at) : [];
  const marker = encodeMarker(record.producerId, ending.markerEpoch, committed, at);
  const aborted: AbortedRange[] = [];
  for (const number of record.partitions.keys()) {
    const partition = store.partition(number);
    const firstOffset = partition?.transactions?.openSince(record.producerId);
    // Added but never written to, or deleted: there is nothing that a reader would wait for.
    if (partition === undefined || firstOffset === undefined) continue;
    const markerOffset = stageMarker(commit, partition, marker);
    if (!committed) aborted.push({ partition: number, firstOffset, markerOffset });
  }
  commit.command(COMMAND.TRANSACTION_ENDED, transactionCommands.ended({ ...ending, transactionalId, aborted }));
  for (const body of offsets) commit.command(COMMAND.OFFSETS_COMMITTED, body);
}

function stageMarker(commit: CommitBuilder, partition: Partition, marker: Uint8Array): number {
  const offset = partition.endOffset;
  stampBatch(marker, 0, offset, LEADER_EPOCH);
  commit.batches(partition.number, offset, 1, marker);
  return offset;
}

function offsetBodies(record: TransactionRecord, at: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (const [group, topics] of record.groups) {
    bodies.push(...encodeOffsetChanges(group, 'stored', at, changesOf(topics)));
  }
  return bodies;
}

function changesOf(topics: PendingOffsets): TopicChanges[] {
  return Array.from(topics, ([topic, offsets]) => ({
    topic,
    partitions: Array.from(offsets.entries(), ([partition, committed]) => ({ partition, committed })),
  }));
}
