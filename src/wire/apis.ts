/**
 * Every API that has a table, by key and by name. What a listener serves and advertises is its own affair.
 */
import type { Api } from './api.ts';
import { addOffsetsToTxn } from './messages/add-offsets-to-txn.ts';
import { addPartitionsToTxn } from './messages/add-partitions-to-txn.ts';
import { alterClientQuotas } from './messages/alter-client-quotas.ts';
import { alterConfigs } from './messages/alter-configs.ts';
import { apiVersions } from './messages/api-versions.ts';
import { consumerGroupDescribe } from './messages/consumer-group-describe.ts';
import { consumerGroupHeartbeat } from './messages/consumer-group-heartbeat.ts';
import { createAcls } from './messages/create-acls.ts';
import { createPartitions } from './messages/create-partitions.ts';
import { createTopics } from './messages/create-topics.ts';
import { deleteAcls } from './messages/delete-acls.ts';
import { deleteGroups } from './messages/delete-groups.ts';
import { deleteRecords } from './messages/delete-records.ts';
import { deleteTopics } from './messages/delete-topics.ts';
import { describeAcls } from './messages/describe-acls.ts';
import { describeClientQuotas } from './messages/describe-client-quotas.ts';
import { describeCluster } from './messages/describe-cluster.ts';
import { describeConfigs } from './messages/describe-configs.ts';
import { describeGroups } from './messages/describe-groups.ts';
import { describeLogDirs } from './messages/describe-log-dirs.ts';
import { describeProducers } from './messages/describe-producers.ts';
import { describeTopicPartitions } from './messages/describe-topic-partitions.ts';
import { describeTransactions } from './messages/describe-transactions.ts';
import { electLeaders } from './messages/elect-leaders.ts';
import { endTxn } from './messages/end-txn.ts';
import { fetch } from './messages/fetch.ts';
import { findCoordinator } from './messages/find-coordinator.ts';
import { heartbeat } from './messages/heartbeat.ts';
import { incrementalAlterConfigs } from './messages/incremental-alter-configs.ts';
import { initProducerId } from './messages/init-producer-id.ts';
import { joinGroup } from './messages/join-group.ts';
import { leaveGroup } from './messages/leave-group.ts';
import { listGroups } from './messages/list-groups.ts';
import { listOffsets } from './messages/list-offsets.ts';
import { listTransactions } from './messages/list-transactions.ts';
import { metadata } from './messages/metadata.ts';
import { offsetCommit } from './messages/offset-commit.ts';
import { offsetDelete } from './messages/offset-delete.ts';
import { offsetFetch } from './messages/offset-fetch.ts';
import { offsetForLeaderEpoch } from './messages/offset-for-leader-epoch.ts';
import { produce } from './messages/produce.ts';
import { saslAuthenticate } from './messages/sasl-authenticate.ts';
import { saslHandshake } from './messages/sasl-handshake.ts';
import { syncGroup } from './messages/sync-group.ts';
import { txnOffsetCommit } from './messages/txn-offset-commit.ts';

/** In order of their keys. */
export const APIS = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  txnOffsetCommit,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  offsetDelete,
  describeClientQuotas,
  alterClientQuotas,
  describeCluster,
  describeProducers,
  describeTransactions,
  listTransactions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  describeTopicPartitions,
] as const;

/** One of the tables above. */
export type AnyApi = (typeof APIS)[number];
export type ApiName = AnyApi['name'];

const BY_KEY: readonly (AnyApi | undefined)[] = indexByKey();

function indexByKey(): (AnyApi | undefined)[] {
  const index: (AnyApi | undefined)[] = [];
  for (const api of APIS) index[api.key] = api;
  return index;
}

/** The table of an API key, or undefined where we have none. */
export function apiOf(key: number): AnyApi | undefined {
  return BY_KEY[key];
}

/** Whether the table holds this version. */
export function hasVersion(api: Pick<Api, 'minVersion' | 'maxVersion'>, version: number): boolean {
  return version >= api.minVersion && version <= api.maxVersion;
}
