/** Records of one partition: what is there, and what comes. */
import { MillraceError } from '../base/errors.ts';
import type { Broker } from '../broker/broker.ts';
import { cancelFetch, FetchItem, type FetchRequest, releaseFetch } from '../broker/fetch.ts';
import type { Topic } from '../broker/topic.ts';
import { endOfBatches } from '../model/record-batch.ts';
import type { Partition } from '../store/partition.ts';
import type { AbortedTransaction } from '../store/transaction-index.ts';
import { openBatches } from './open-batches.ts';
import type { LogRecord, Position, ReadOptions } from './types.ts';
import { isAborted } from './waits.ts';

const FETCH_BYTES = 1024 * 1024;
/** A fetch that nobody answers is asked again: a closed broker is noticed. */
const MAX_WAIT_MS = 30_000;

interface Fetched {
  readonly bytes: Uint8Array;
  readonly aborted: readonly AbortedTransaction[];
  readonly nextOffset: number;
}

/** @throws STORE_OFFSET_OUT_OF_RANGE, STORE_CORRUPT and what else reading meets; STORE_CLOSED when the log closes. */
export async function* readPartition(
  broker: Broker,
  topic: Topic,
  partition: Partition,
  options: ReadOptions,
): AsyncGenerator<LogRecord, void, undefined> {
  const { signal, follow = false, limit = Number.POSITIVE_INFINITY } = options;
  let offset = await placeOf(broker, partition, options.from ?? 'earliest');
  // Where nothing is to be waited for, no fetch would say so.
  if (offset > partition.highWatermark) throw outOfRange(offset, partition.logStartOffset, partition.highWatermark);
  const end = follow ? Number.POSITIVE_INFINITY : partition.lastStableOffset;
  let left = limit;
  while (left > 0 && offset < end && !isAborted(signal)) {
    const fetched = await fetch(broker, partition, offset, follow, signal);
    // Without waiting, nothing there means that the rest is gone by now.
    if (fetched === undefined || (fetched.bytes.length === 0 && !follow)) return;
    for await (const record of openBatches(fetched.bytes, offset, end, fetched.aborted, broker.decompressor)) {
      if (isAborted(signal)) return;
      yield { topic: topic.name, partition: partition.index, ...record };
      left -= 1;
      if (left === 0) return;
    }
    offset = fetched.nextOffset;
  }
}

async function placeOf(broker: Broker, partition: Partition, position: Position): Promise<number> {
  if (position === 'earliest') return partition.logStartOffset;
  if (position === 'latest') return partition.highWatermark;
  if (typeof position === 'number') return position;
  const { offset } = await broker.offsetForTimestamp(partition, position.getTime());
  return offset < 0 ? partition.highWatermark : offset;
}

/** Whole batches from an offset on; undefined when the signal came first. */
async function fetch(
  broker: Broker,
  partition: Partition,
  offset: number,
  waits: boolean,
  signal: AbortSignal | undefined,
): Promise<Fetched | undefined> {
  return await new Promise((resolve, reject) => {
    const item = new FetchItem(partition, offset, FETCH_BYTES);
    const onAbort = (): void => {
      cancelFetch(request);
      resolve(undefined);
    };
    const request: FetchRequest = {
      minBytes: waits ? 1 : 0,
      maxBytes: FETCH_BYTES,
      maxWaitMs: waits ? MAX_WAIT_MS : 0,
      readCommitted: true,
      items: [item],
      settled() {
        signal?.removeEventListener('abort', onAbort);
        const bytes = Buffer.concat(item.slices);
        const { error, abortedTransactions: aborted, logStartOffset, highWatermark } = item;
        releaseFetch(request);
        if (error === undefined) resolve({ bytes, aborted, nextOffset: endOfBatches(bytes, offset) });
        else if (error === 'STORE_OFFSET_OUT_OF_RANGE') reject(outOfRange(offset, logStartOffset, highWatermark));
        else reject(new MillraceError(error, `Reading from offset ${offset} failed: ${error}.`));
      },
    };
    signal?.addEventListener('abort', onAbort);
    broker.fetch(request);
  });
}

function outOfRange(offset: number, startOffset: number, endOffset: number): MillraceError {
  return new MillraceError(
    'STORE_OFFSET_OUT_OF_RANGE',
    `Offset ${offset} is not there: the partition has ${startOffset} to ${endOffset} (exclusive). Read from earliest or latest.`,
    { details: { offset, startOffset, endOffset } },
  );
}
