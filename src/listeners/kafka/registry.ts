/**
 * Every API served, as data: what is not here is neither listed nor answered. To serve another one, write its file in
 * handlers/ and add it below. Never list what is not fully behaved: clients switch their behaviour on its presence.
 */
import { fetch, produce } from '../../wire/index.ts';
import type { Handler, ServedApi } from './handler.ts';
import { handleCreateAcls, handleDeleteAcls, handleDescribeAcls } from './handlers/acls.ts';
import { handleAddOffsetsToTxn } from './handlers/add-offsets-to-txn.ts';
import { handleAddPartitionsToTxn } from './handlers/add-partitions-to-txn.ts';
import { handleAlterClientQuotas } from './handlers/alter-client-quotas.ts';
import { handleAlterConfigs } from './handlers/alter-configs.ts';
import { apiVersionsHandler } from './handlers/api-versions.ts';
import { handleConsumerGroupDescribe } from './handlers/consumer-group-describe.ts';
import { handleConsumerGroupHeartbeat } from './handlers/consumer-group-heartbeat.ts';
import { handleCreatePartitions } from './handlers/create-partitions.ts';
import { handleCreateTopics } from './handlers/create-topics.ts';
import { handleDeleteGroups } from './handlers/delete-groups.ts';
import { handleDeleteRecords } from './handlers/delete-records.ts';
import { handleDeleteTopics } from './handlers/delete-topics.ts';
import { handleDescribeClientQuotas } from './handlers/describe-client-quotas.ts';
import { handleDescribeCluster } from './handlers/describe-cluster.ts';
import { handleDescribeConfigs } from './handlers/describe-configs.ts';
import { handleDescribeGroups } from './handlers/describe-groups.ts';
import { handleDescribeLogDirs } from './handlers/describe-log-dirs.ts';
import { handleDescribeProducers } from './handlers/describe-producers.ts';
import { handleDescribeTopicPartitions } from './handlers/describe-topic-partitions.ts';
import { handleDescribeTransactions } from './handlers/describe-transactions.ts';
import { handleElectLeaders } from './handlers/elect-leaders.ts';
import { handleEndTxn } from './handlers/end-txn.ts';
import { handleFindCoordinator } from './handlers/find-coordinator.ts';
import { handleHeartbeat } from './handlers/heartbeat.ts';
import { handleIncrementalAlterConfigs } from './handlers/incremental-alter-configs.ts';
import { handleInitProducerId } from './handlers/init-producer-id.ts';
import { handleJoinGroup } from './handlers/join-group.ts';
import { handleLeaveGroup } from './handlers/leave-group.ts';
import { handleListGroups } from './handlers/list-groups.ts';
import { handleListOffsets } from './handlers/list-offsets.ts';
import { handleListTransactions } from './handlers/list-transactions.ts';
import { handleMetadata } from './handlers/metadata.ts';
import { handleOffsetCommit } from './handlers/offset-commit.ts';
import { handleOffsetDelete } from './handlers/offset-delete.ts';
import { handleOffsetFetch } from './handlers/offset-fetch.ts';
import { handleOffsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.ts';
import { handleSyncGroup } from './handlers/sync-group.ts';
import { handleTxnOffsetCommit } from './handlers/txn-offset-commit.ts';

/** Handled by hand (produce-exchange.ts). Listed from 0, because librdkafka stops compressing otherwise (KAFKA-18659). */
export const SERVED_PRODUCE: ServedApi = { api: produce, minVersion: 3, maxVersion: 13, advertisedMinVersion: 0 };
/** Handled by hand (fetch-exchange.ts). */
export const SERVED_FETCH: ServedApi = { api: fetch, minVersion: 4, maxVersion: 17, advertisedMinVersion: 4 };

const HANDLERS: readonly Handler[] = [
  handleListOffsets,
  handleMetadata,
  handleOffsetCommit,
  handleOffsetFetch,
  handleFindCoordinator,
  handleJoinGroup,
  handleHeartbeat,
  handleLeaveGroup,
  handleSyncGroup,
  handleDescribeGroups,
  handleListGroups,
  handleCreateTopics,
  handleDeleteTopics,
  handleDeleteRecords,
  handleInitProducerId,
  handleOffsetForLeaderEpoch,
  handleDescribeConfigs,
  handleAlterConfigs,
  handleCreatePartitions,
  handleDeleteGroups,
  handleIncrementalAlterConfigs,
  handleOffsetDelete,
  handleDescribeCluster,
  handleAddPartitionsToTxn,
  handleAddOffsetsToTxn,
  handleEndTxn,
  handleTxnOffsetCommit,
  handleDescribeProducers,
  handleDescribeTransactions,
  handleListTransactions,
  handleDescribeAcls,
  handleCreateAcls,
  handleDeleteAcls,
  handleDescribeLogDirs,
  handleElectLeaders,
  handleDescribeTopicPartitions,
  handleConsumerGroupHeartbeat,
  handleConsumerGroupDescribe,
  handleDescribeClientQuotas,
  handleAlterClientQuotas,
];

const handleApiVersions = apiVersionsHandler([SERVED_PRODUCE, SERVED_FETCH, ...HANDLERS]);

/** In order of their keys, as ApiVersions lists them. */
export const SERVED_APIS: readonly ServedApi[] = [SERVED_PRODUCE, SERVED_FETCH, ...HANDLERS, handleApiVersions].sort(
  (a, b) => a.api.key - b.api.key,
);

const BY_KEY: readonly (Handler | undefined)[] = indexByKey();

function indexByKey(): (Handler | undefined)[] {
  const index: (Handler | undefined)[] = [];
  for (const each of [...HANDLERS, handleApiVersions]) index[each.api.key] = each;
  return index;
}

/** The handler of a key; Produce and Fetch have none. */
export function handlerOf(apiKey: number): Handler | undefined {
  return BY_KEY[apiKey];
}
