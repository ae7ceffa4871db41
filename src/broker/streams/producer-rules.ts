/**
 * Idempotent producers of the Durable Streams protocol (5.2.1): the client names its epoch and counts its requests, the
 * stream remembers the last of each. Kafka's idempotent producers are another thing (`src/store/producer-table.ts`).
 *
 * ```
 *  epoch < known ──► stale-epoch          epoch > known, or unknown ──► seq must be 0
 *  seq <= last   ──► duplicate            seq = last + 1 ──► appended   seq beyond ──► gap
 * ```
 */
import { MillraceError } from '../../base/errors.ts';
import type { Stream } from './stream.ts';
import type { AppendOutcome } from './stream-append.ts';

export interface ProducerStamp {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** Producers that one stream remembers; each costs some 100 bytes of memory and of every checkpoint. */
const MAX_PRODUCERS = 10_000;
/** Where a stream has so many, those that wrote nothing for so long make room. Else all are kept as long as the stream. */
const FORGET_AFTER_MS = 7 * 24 * 3_600_000;

/** @returns undefined where the append may go on. @throws BROKER_REQUEST_INVALID. */
export function decideProducer(stream: Stream, producer: ProducerStamp): AppendOutcome | undefined {
  const known = stream.producers?.get(producer.id);
  if (known === undefined) {
    return producer.seq === 0 ? undefined : { kind: 'gap', expectedSeq: 0 };
  }
  if (producer.epoch < known.epoch) return { kind: 'stale-epoch', currentEpoch: known.epoch };
  if (producer.epoch > known.epoch) {
    if (producer.seq === 0) return undefined;
    throw new MillraceError(
      'BROKER_REQUEST_INVALID',
      `Producer ${JSON.stringify(producer.id)} begins epoch ${producer.epoch} with sequence ${producer.seq}; an epoch begins with 0.`,
      { details: { epoch: producer.epoch, seq: producer.seq } },
    );
  }
  if (producer.seq <= known.lastSeq) {
    const nextOffset = Math.max(stream.partition.endOffset, stream.ownStart);
    return { kind: 'duplicate', nextOffset, closed: stream.closed, lastSeq: known.lastSeq };
  }
  return producer.seq === known.lastSeq + 1 ? undefined : { kind: 'gap', expectedSeq: known.lastSeq + 1 };
}

/** @returns those that must be dropped for a new one. @throws BROKER_LIMIT_REACHED where all wrote lately. */
export function producersToForget(stream: Stream, producer: ProducerStamp, now: number): readonly string[] {
  const { producers } = stream;
  if (producers === undefined || producers.size < MAX_PRODUCERS || producers.has(producer.id)) return [];
  const idle = [...producers].filter(([, { writtenAt }]) => writtenAt < now - FORGET_AFTER_MS).map(([id]) => id);
  if (idle.length > 0) return idle;
  throw new MillraceError(
    'BROKER_LIMIT_REACHED',
    `Stream ${stream.topic.name} remembers ${MAX_PRODUCERS} idempotent producers, which is the limit. Use fewer producer ids.`,
    { details: { stream: stream.topic.name, max: MAX_PRODUCERS } },
  );
}
