/**
 * What InitProducerId comes to, by the state of the transactional id. Pure.
 *
 * | state | producer id and epoch given | decision |
 * |---|---|---|
 * | unknown id | any | a fresh producer id, epoch 0 |
 * | any | another producer's | BROKER_PRODUCER_FENCED |
 * | ongoing | none, or right ones | fence: abort under the next epoch; the caller tries again and gets the one after |
 * | no transaction | none | next epoch |
 * | no transaction | the current epoch | next epoch; the current one is remembered |
 * | no transaction | the remembered epoch | the current epoch again: the answer was lost |
 * | no transaction | any other epoch | BROKER_PRODUCER_FENCED |
 *
 * Where the next epoch would be past `LAST_EPOCH`, a fresh producer id with epoch 0 takes its place.
 *
 * Source: KIP-98, KIP-360.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { InitProducerIdRequest } from './api.ts';
import type { TransactionRecord } from './transactions-state.ts';

/** Highest epoch that is given out: one below what fits, so that there is always one more to fence it with. */
export const LAST_EPOCH = 0x7ffe;

export type InitDecision =
  | { readonly kind: 'refuse'; readonly error: ErrorCode }
  | { readonly kind: 'fence' }
  /** Needs an id that nobody had before. */
  | { readonly kind: 'fresh'; readonly previousProducerId: number; readonly previousEpoch: number }
  | { readonly kind: 'epoch'; readonly epoch: number; readonly previousEpoch: number };

type Given = Pick<InitProducerIdRequest, 'producerId' | 'producerEpoch'>;

const FENCED: InitDecision = { kind: 'refuse', error: 'BROKER_PRODUCER_FENCED' };

export function decideInit(record: TransactionRecord | undefined, given: Given): InitDecision {
  if (record === undefined) return { kind: 'fresh', previousProducerId: -1, previousEpoch: -1 };
  const isNew = given.producerId < 0;
  if (!isNew && !isOf(record, given)) return FENCED;
  if (record.phase === 'ongoing') return { kind: 'fence' };
  const { producerEpoch, previousEpoch, producerId } = record;
  const isCurrent = given.producerEpoch === producerEpoch && given.producerId === producerId;
  if (producerEpoch >= LAST_EPOCH && (isNew || isCurrent)) {
    return { kind: 'fresh', previousProducerId: producerId, previousEpoch: isNew ? -1 : producerEpoch };
  }
  if (isNew) return { kind: 'epoch', epoch: producerEpoch + 1, previousEpoch: -1 };
  if (isCurrent) return { kind: 'epoch', epoch: producerEpoch + 1, previousEpoch: producerEpoch };
  return given.producerEpoch === previousEpoch ? { kind: 'epoch', epoch: producerEpoch, previousEpoch } : FENCED;
}

/** Its producer id, or the one before where the change to the current one may not have been heard of. */
function isOf(record: TransactionRecord, { producerId, producerEpoch }: Given): boolean {
  if (producerId === record.producerId) return true;
  return producerId === record.previousProducerId && producerEpoch >= LAST_EPOCH;
}
