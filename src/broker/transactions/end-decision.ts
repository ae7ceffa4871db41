/**
 * What EndTxn comes to, by the state of the transactional id. Pure.
 *
 * In the second transaction protocol (KIP-890, EndTxn 5) every end gives the producer its next epoch, so that nothing
 * which the ended transaction still has on its way can enter the next one; a repeat is known by the epoch before.
 *
 * | state | producer id and epoch | protocol 1 (EndTxn 0-4) | protocol 2 (EndTxn 5) |
 * |---|---|---|---|
 * | unknown id, or another producer id | any | BROKER_TRANSACTION_ID_UNKNOWN | the same |
 * | ended this way | those before the end | BROKER_PRODUCER_FENCED | repeated: told again |
 * | ended the other way | those before the end | BROKER_PRODUCER_FENCED | BROKER_TRANSACTION_STATE_INVALID |
 * | any | another epoch | BROKER_PRODUCER_FENCED | the same |
 * | ongoing | current | end | end, next epoch |
 * | ended this way | current | repeated: told again | abort: next epoch; commit: BROKER_TRANSACTION_STATE_INVALID |
 * | ended the other way | current | BROKER_TRANSACTION_STATE_INVALID | abort: next epoch; commit: the same |
 * | empty | current | BROKER_TRANSACTION_STATE_INVALID | abort: next epoch; commit: the same |
 *
 * Where the next epoch would be past `LAST_EPOCH`, a fresh producer id with epoch 0 takes its place.
 *
 * Source: KIP-98, KIP-890.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { EndRequest } from './api.ts';
import { LAST_EPOCH } from './init-decision.ts';
import { refuseProducer, type TransactionRecord } from './transactions-state.ts';

export type EndDecision =
  | { readonly kind: 'refuse'; readonly error: ErrorCode }
  /** Done already: the answer was lost. */
  | { readonly kind: 'repeated' }
  | { readonly kind: 'end' }
  /** As `end`, and needs an id that nobody had before. */
  | { readonly kind: 'end-fresh' };

const STATE_INVALID: EndDecision = { kind: 'refuse', error: 'BROKER_TRANSACTION_STATE_INVALID' };
const REPEATED: EndDecision = { kind: 'repeated' };
const END: EndDecision = { kind: 'end' };

export function decideEnd(record: TransactionRecord | undefined, request: EndRequest): EndDecision {
  if (record !== undefined && request.bumpsEpoch && isRepeat(record, request)) {
    return endedAs(record, request.committed) ? REPEATED : STATE_INVALID;
  }
  const error = refuseProducer(record, request);
  if (record === undefined || error !== undefined) {
    return { kind: 'refuse', error: error ?? 'BROKER_TRANSACTION_ID_UNKNOWN' };
  }
  if (request.bumpsEpoch) {
    if (record.phase !== 'ongoing' && request.committed) return STATE_INVALID;
    return record.producerEpoch >= LAST_EPOCH ? { kind: 'end-fresh' } : END;
  }
  if (record.phase === 'ongoing') return END;
  return endedAs(record, request.committed) ? REPEATED : STATE_INVALID;
}

function endedAs({ phase }: TransactionRecord, committed: boolean): boolean {
  return phase === (committed ? 'committed' : 'aborted');
}

/** Of the end that gave the producer its present id and epoch. */
function isRepeat(record: TransactionRecord, { producerId, producerEpoch }: EndRequest): boolean {
  if (record.phase !== 'committed' && record.phase !== 'aborted') return false;
  if (producerEpoch !== record.previousEpoch) return false;
  if (record.producerEpoch === 0) return producerId === record.previousProducerId && producerEpoch >= LAST_EPOCH;
  return producerId === record.producerId && record.producerEpoch === producerEpoch + 1;
}
