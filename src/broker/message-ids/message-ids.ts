/**
 * Message ids in the append path: topics with `dedup.window.ms` store a record with a header `message-id` once in the
 * window, for each partition. Rules for users: docs/protocol.md, "Repeated messages".
 *
 * ```
 *   read or open ──► (settle: repeats out, packed anew) ──► judge, in the build ──► stage: batch, then its new ids
 *   before the build; only open waits                      on the head state
 * ```
 *
 * What other requests store meanwhile is seen in `judge`, which decides; `settle` only saves it work that is too long for
 * a build. Everything a replay needs is in the commands (message-id-commands.ts).
 */
import { asMillraceError, type ErrorCode } from '../../base/errors.ts';
import type { CommitBuilder } from '../../journal/journal.ts';
import {
  baseSequence,
  CODEC,
  codec,
  isTransactional,
  lastOffsetDelta,
  producerEpoch,
  producerId,
} from '../../model/record-batch.ts';
import { openRecords } from '../../model/record-codec.ts';
import type { Decompressor } from '../decompressor/decompressor.ts';
import type { ProduceItem } from '../produce.ts';
import { COMMAND } from '../state-part.ts';
import { type BatchIds, batchOfRecords, type IncomingRecord, newOffsets, readBatchIds } from './batch-ids.ts';
import { encodeBatchRepeated, encodeMessageIdsSeen, type SeenId } from './message-id-commands.ts';
import type { MessageIdLimits, MessageIdOutcome } from './message-id-table.ts';
import type { MessageIdsState } from './message-ids-state.ts';

export interface MessageIdsOptions {
  readonly state: MessageIdsState;
  readonly opener: Decompressor;
  /** Memory of all ids; beyond it partitions forget an old one for each new one. */
  readonly maxBytes: number;
}

/** What becomes of a batch. */
export type Judgement =
  | { readonly kind: 'refuse'; readonly error: ErrorCode }
  /** All of its records are stored already. */
  | { readonly kind: 'repeat'; readonly offsets: Float64Array }
  /** `batch` has what is new; `offsets` says by delta where repeats stand, undefined: there are none. */
  | {
      readonly kind: 'store';
      readonly batch: Uint8Array;
      readonly kept: readonly IncomingRecord[];
      readonly offsets: Float64Array | undefined;
    };

export class MessageIds {
  /** Records that were not stored again. */
  readonly counters = { repeats: 0 };
  readonly #state: MessageIdsState;
  readonly #opener: Decompressor;
  readonly #maxBytes: number;

  constructor(options: MessageIdsOptions) {
    this.#state = options.state;
    this.#opener = options.opener;
    this.#maxBytes = options.maxBytes;
  }

  /** Ids remembered, and their approximate memory. */
  get size(): number {
    return this.#state.size;
  }

  get sizeBytes(): number {
    return this.#state.sizeBytes;
  }

  /**
   * Reads the ids of a batch that is not compressed; one with faults gets its error.
   * @returns false where the batch has to be opened first.
   */
  read(item: ProduceItem): boolean {
    const { batch } = item;
    if (codec(batch, 0) !== CODEC.none) return false;
    this.#read(item, openRecords(batch, 0));
    return true;
  }

  /**
   * For a batch that waits anyway: opens it where needed and takes out what is stored already.
   * @param item its batch is owned. Afterwards it has its ids, or an error; its batch may be another, uncompressed.
   */
  async settle(item: ProduceItem, now: number): Promise<void> {
    try {
      this.#read(item, await this.#opener.open(item.batch, 0));
    } catch (error) {
      item.error ??= asMillraceError(error).code;
    }
    if (item.error !== undefined) return;
    const judgement = this.judge(item, now);
    if (judgement?.kind !== 'store' || judgement.offsets === undefined) return;
    item.batch = judgement.batch;
    const ids = readBatchIds(item.batch, openRecords(item.batch, 0));
    if (typeof ids !== 'string') item.messageIds = { ...ids, offsets: judgement.offsets };
  }

  /** On the head state: BROKER_MESSAGE_ID_PENDING where the open transaction of somebody else has one of the ids. */
  refuse(item: ProduceItem, now: number): ErrorCode | undefined {
    if (item.partition === undefined || !this.#state.hasPending(item.partition.number)) return undefined;
    const judgement = this.judge(item, now);
    return judgement?.kind === 'refuse' ? judgement.error : undefined;
  }

  /** On the head state; changes nothing. Undefined: the topic does not remember ids (any more). */
  judge(item: ProduceItem, now: number): Judgement | undefined {
    const { messageIds, batch, partition } = item;
    const limits = item.topic?.limits.messageIds;
    if (messageIds === undefined || limits === undefined || partition === undefined) return undefined;
    const mine = isTransactional(batch, 0) ? producerId(batch, 0) : -1;
    const kept: IncomingRecord[] = [];
    const inBatch = new Map<string, number>();
    let offsets: Float64Array | undefined;
    for (const record of messageIds.incoming) {
      const { id, offsetDelta } = record;
      const known =
        id === undefined
          ? undefined
          : (this.#state.find(partition.number, id, now - limits.windowMs) ??
            seenAt(inBatch.get(id), partition.endOffset));
      if (known?.kind === 'pending' && known.producerId !== mine) {
        return { kind: 'refuse', error: 'BROKER_MESSAGE_ID_PENDING' };
      }
      if (known === undefined) {
        kept.push(record);
        if (id !== undefined) inBatch.set(id, offsetDelta);
        continue;
      }
      offsets ??= newOffsets(batch, messageIds.offsets);
      offsets[offsetDelta] = known.offset;
    }
    if (offsets === undefined) return { kind: 'store', batch, kept, offsets: messageIds.offsets };
    if (kept.length === 0) return { kind: 'repeat', offsets };
    return { kind: 'store', batch: batchOfRecords(batch, messageIds.records, kept), kept, offsets };
  }

  /** Inside a build, behind the batch. */
  stageSeen(commit: CommitBuilder, item: ProduceItem, kept: readonly IncomingRecord[], now: number): void {
    const limits = item.topic?.limits.messageIds;
    const { partition, batch, baseOffset } = item;
    if (limits === undefined || partition === undefined) return;
    const ids: SeenId[] = [];
    for (const { id, offsetDelta } of kept) if (id !== undefined) ids.push({ id, offsetDelta });
    const seen = {
      partition: partition.number,
      at: now,
      limits: this.#bounded(limits, partition.number),
      producerId: isTransactional(batch, 0) ? producerId(batch, 0) : -1,
      baseOffset,
    };
    for (const body of encodeMessageIdsSeen(seen, ids)) commit.command(COMMAND.MESSAGE_IDS_SEEN, body);
  }

  /** Inside a build, instead of the batch. */
  stageRepeat(commit: CommitBuilder, { partition, batch, baseOffset }: ProduceItem, now: number): void {
    const id = producerId(batch, 0);
    if (id < 0 || partition === undefined) return;
    commit.command(
      COMMAND.BATCH_REPEATED,
      encodeBatchRepeated({
        partition: partition.number,
        at: now,
        producerId: id,
        producerEpoch: producerEpoch(batch, 0),
        baseSequence: baseSequence(batch, 0),
        lastOffsetDelta: lastOffsetDelta(batch, 0),
        baseOffset,
      }),
    );
  }

  #read(item: ProduceItem, records: Uint8Array): void {
    try {
      const ids: BatchIds | ErrorCode = readBatchIds(item.batch, records);
      if (typeof ids === 'string') item.error = ids;
      else item.messageIds = ids;
    } catch (error) {
      item.error = asMillraceError(error).code;
    }
  }

  /** With the memory used up a partition does not grow: it forgets its oldest for what comes. */
  #bounded(limits: MessageIdLimits, partition: number): MessageIdLimits {
    if (this.#state.sizeBytes < this.#maxBytes) return limits;
    return { ...limits, maxEntries: Math.min(limits.maxEntries, Math.max(this.#state.sizeOf(partition), 1)) };
  }
}

function seenAt(offsetDelta: number | undefined, baseOffset: number): MessageIdOutcome | undefined {
  return offsetDelta === undefined ? undefined : { kind: 'seen', offset: baseOffset + offsetDelta };
}
