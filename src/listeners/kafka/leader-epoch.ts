/** What a client's idea of the leader epoch means here, where leadership never changes (KIP-320). */
import { LEADER_EPOCH } from '../../broker/produce.ts';
import { ERROR_CODES } from '../../wire/error-codes.ts';

/** The client does not know, and does not ask. */
const NO_EPOCH = -1;

/** @returns 0, FENCED_LEADER_EPOCH (the client is behind) or UNKNOWN_LEADER_EPOCH (the client is ahead). */
export function leaderEpochError(currentLeaderEpoch: number): number {
  if (currentLeaderEpoch === NO_EPOCH || currentLeaderEpoch === LEADER_EPOCH) return ERROR_CODES.NONE;
  return currentLeaderEpoch < LEADER_EPOCH ? ERROR_CODES.FENCED_LEADER_EPOCH : ERROR_CODES.UNKNOWN_LEADER_EPOCH;
}
