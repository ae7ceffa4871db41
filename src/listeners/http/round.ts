/** One round of a read: one fetch, its records rendered. Answers and follows are made of rounds. */
import { MillraceError } from '../../base/errors.ts';
import { cancelFetch, FetchItem, type FetchOperation, type FetchRequest, releaseFetch } from '../../broker/fetch.ts';
import type { PartitionPosition } from './position.ts';
import type { Reading, ReadingRoom, Wait, WaitTarget } from './reading.ts';
import type { ReadOutcome } from './record-source.ts';
import { PartitionWalk, walkRecords } from './record-walk.ts';

/** Decompressed batches open at once in one read. */
const MAX_OPEN_BYTES = 32 * 1024 * 1024;

/** What takes records. */
export interface RecordTaker {
  /** @returns whether another one may come. */
  take(walk: PartitionWalk): boolean;
}

/** Which partition comes first in a fetch turns, so that none is always the one that finds the answer full. */
let turn = 0;

/** @throws STORE_OFFSET_OUT_OF_RANGE, STORE_CORRUPT, BROKER_TOPIC_NOT_FOUND, or what opening a batch gives. */
export async function readRound(
  room: ReadingRoom,
  reading: Reading,
  positions: readonly PartitionPosition[],
  fetchBytes: number,
  taker: RecordTaker,
): Promise<ReadOutcome> {
  const before = positions.map((position) => position.nextOffset);
  const order = rotated(positions);
  const items = order.map(
    ({ partition, nextOffset }) => new FetchItem(partition, nextOffset, Math.ceil(fetchBytes / positions.length)),
  );
  const request = await room.fetch(reading, items, fetchBytes, 0);
  if (request === undefined) return 'ended';
  try {
    const walks = items.map((item, i) => walkOf(order[i] as PartitionPosition, item));
    await walkRecords(walks, room.broker.decompressor, MAX_OPEN_BYTES, (walk) => taker.take(walk));
  } finally {
    releaseFetch(request);
  }
  return positions.some((position, i) => position.nextOffset !== before[i]) ? 'read' : 'empty';
}

/** Waits until a partition has something behind its position. Holds no memory meanwhile. */
export function awaitRecords(
  room: ReadingRoom,
  reading: Reading,
  positions: readonly PartitionPosition[],
  waitMs: number,
): Promise<ReadOutcome> {
  return reading.wait<ReadOutcome>(new RecordsWait(room, positions, waitMs), 'ended');
}

class RecordsWait implements FetchRequest, WaitTarget<ReadOutcome> {
  readonly minBytes = 1;
  readonly maxBytes = 1;
  readonly maxWaitMs: number;
  readonly readCommitted = true;
  readonly items: readonly FetchItem[];
  operation: FetchOperation | undefined;
  readonly #room: ReadingRoom;
  readonly #positions: readonly PartitionPosition[];
  #wait: Wait<ReadOutcome> | undefined;

  constructor(room: ReadingRoom, positions: readonly PartitionPosition[], waitMs: number) {
    this.#room = room;
    this.#positions = positions;
    this.maxWaitMs = waitMs;
    this.items = positions.map(({ partition, nextOffset }) => new FetchItem(partition, nextOffset, 1));
  }

  start(wait: Wait<ReadOutcome>): void {
    this.#wait = wait;
    this.#room.broker.fetch(this);
  }

  settled(): void {
    try {
      for (const [i, item] of this.items.entries()) walkOf(this.#positions[i] as PartitionPosition, item);
      this.#wait?.done(this.items.some((item) => item.sizeBytes > 0) ? 'read' : 'empty');
    } catch (error) {
      this.#wait?.fail(error as Error);
    } finally {
      releaseFetch(this);
    }
  }

  cancel(): void {
    cancelFetch(this);
  }
}

function walkOf(position: PartitionPosition, item: FetchItem): PartitionWalk {
  if (item.error !== undefined) throw itemError(position, item);
  position.highWatermark = item.highWatermark;
  position.logStartOffset = item.logStartOffset;
  return new PartitionWalk(position, item.slices, item.abortedTransactions);
}

function rotated(positions: readonly PartitionPosition[]): readonly PartitionPosition[] {
  if (positions.length === 1) return positions;
  turn = (turn + 1) % 0x4000_0000;
  const first = turn % positions.length;
  return [...positions.slice(first), ...positions.slice(0, first)];
}

/** Why a partition cannot be read from its position. */
export function itemError(position: PartitionPosition, item: FetchItem): MillraceError {
  const { topic, partition, nextOffset } = position;
  const place = { topic: topic.name, partition: partition.index, offset: nextOffset };
  if (partition.deleted) {
    return new MillraceError('BROKER_TOPIC_NOT_FOUND', `Topic ${topic.name} was deleted.`, { details: place });
  }
  const code = item.error ?? 'INTERNAL';
  if (code !== 'STORE_OFFSET_OUT_OF_RANGE') {
    const where = `${topic.name}, partition ${partition.index}, offset ${nextOffset}`;
    return new MillraceError(code, `Records at ${where} cannot be read (${code}). The broker's log says why.`, {
      details: place,
    });
  }
  const { logStartOffset, highWatermark } = item;
  const why = nextOffset < logStartOffset ? 'older records were deleted' : 'the log ends before it';
  return new MillraceError(
    code,
    `Offset ${nextOffset} of ${topic.name}, partition ${partition.index}, is not there: ${why}. Readable are ` +
      `${logStartOffset} to ${highWatermark} (exclusive).`,
    { details: { ...place, logStartOffset, endOffset: highWatermark } },
  );
}
