/** ElectLeaders 0-2: every partition has its one possible leader, so no election is ever needed. */
import type { Broker } from '../../../broker/broker.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type ElectLeadersRequest,
  type ElectLeadersResponse,
  electLeaders,
} from '../../../wire/messages/elect-leaders.ts';
import { distinct } from '../distinct.ts';
import { handler } from '../handler.ts';
import { findTopic } from '../topic-lookup.ts';

type Result = ElectLeadersResponse['replicaElectionResults'][number];
type Asked = NonNullable<ElectLeadersRequest['topicPartitions']>[number];

const UNCLEAN = 1;

export const handle = handler(electLeaders, ({ electionType, topicPartitions }, { broker }) => {
  if (electionType < 0 || electionType > UNCLEAN) {
    return { errorCode: ERROR_CODES.INVALID_REQUEST, replicaElectionResults: [] };
  }
  // Asked for all partitions, Kafka leaves out those that need no election.
  const replicaElectionResults = (topicPartitions ?? []).map((asked) => resultOf(asked, broker));
  return { errorCode: ERROR_CODES.NONE, replicaElectionResults };
});

function resultOf({ topic: name, partitions }: Asked, broker: Broker): Result {
  const topic = findTopic(broker, name);
  return {
    topic: name,
    partitionResult: distinct(partitions, String).map((partitionId) =>
      topic?.partition(partitionId) === undefined
        ? {
            partitionId,
            errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION,
            errorMessage:
              topic === undefined ? `There is no topic ${name}.` : `There is no partition ${name}-${partitionId}.`,
          }
        : {
            partitionId,
            errorCode: ERROR_CODES.ELECTION_NOT_NEEDED,
            errorMessage: 'Its only replica leads it already.',
          },
    ),
  };
}
