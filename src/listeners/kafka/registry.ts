/**
 * Every API served, as data: what is not here is neither listed nor answered. To serve another one, write its file in
 * handlers/ and add it below. Never list what is not fully behaved: clients switch their behaviour on its presence.
 *
 * The file of an API, and with it the table of its message, is loaded with the first request, or some time after the start: a
 * client uses eight of them or so, and a start is not to wait for the rest.
 */
import { setImmediate } from 'node:timers/promises';
import { API_KEYS } from '../../wire/api-keys.ts';
import type { ApiName } from '../../wire/apis.ts';
import type { Handler } from './handler.ts';

/** The ranges are inclusive. */
export interface ServedApi {
  readonly key: number;
  readonly name: ApiName;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** Listed in place of `minVersion`, where clients judge us by it. */
  readonly advertisedMinVersion: number;
}

/** An API that has a file in handlers/. */
export interface HandledApi extends ServedApi {
  /** Undefined until it is loaded. */
  handler: Handler | undefined;
  /** Sets `handler`. */
  load: () => Promise<void>;
}

/** Handled by hand (produce-exchange.ts). Listed from 0, because librdkafka stops compressing otherwise (KAFKA-18659). */
export const SERVED_PRODUCE: ServedApi = { ...served('Produce', [3, 13]), advertisedMinVersion: 0 };
/** Handled by hand (fetch-exchange.ts). */
export const SERVED_FETCH: ServedApi = served('Fetch', [4, 17]);

const HANDLED_APIS: readonly HandledApi[] = [
  handled('ListOffsets', [1, 11], () => import('./handlers/list-offsets.ts')),
  handled('Metadata', [0, 13], () => import('./handlers/metadata.ts')),
  handled('OffsetCommit', [2, 10], () => import('./handlers/offset-commit.ts')),
  handled('OffsetFetch', [1, 10], () => import('./handlers/offset-fetch.ts')),
  handled('FindCoordinator', [0, 6], () => import('./handlers/find-coordinator.ts')),
  handled('JoinGroup', [0, 9], () => import('./handlers/join-group.ts')),
  handled('Heartbeat', [0, 4], () => import('./handlers/heartbeat.ts')),
  handled('LeaveGroup', [0, 5], () => import('./handlers/leave-group.ts')),
  handled('SyncGroup', [0, 5], () => import('./handlers/sync-group.ts')),
  handled('DescribeGroups', [0, 6], () => import('./handlers/describe-groups.ts')),
  handled('ListGroups', [0, 5], () => import('./handlers/list-groups.ts')),
  handled('ApiVersions', [0, 4], () => import('./handlers/api-versions.ts')),
  handled('CreateTopics', [2, 7], () => import('./handlers/create-topics.ts')),
  handled('DeleteTopics', [1, 6], () => import('./handlers/delete-topics.ts')),
  handled('DeleteRecords', [0, 2], () => import('./handlers/delete-records.ts')),
  handled('InitProducerId', [0, 5], () => import('./handlers/init-producer-id.ts')),
  handled('OffsetForLeaderEpoch', [2, 4], () => import('./handlers/offset-for-leader-epoch.ts')),
  handled('DescribeConfigs', [1, 4], () => import('./handlers/describe-configs.ts')),
  handled('AlterConfigs', [0, 2], () => import('./handlers/alter-configs.ts')),
  handled('CreatePartitions', [0, 3], () => import('./handlers/create-partitions.ts')),
  handled('DeleteGroups', [0, 2], () => import('./handlers/delete-groups.ts')),
  handled('IncrementalAlterConfigs', [0, 1], () => import('./handlers/incremental-alter-configs.ts')),
  handled('OffsetDelete', [0, 0], () => import('./handlers/offset-delete.ts')),
  handled('DescribeCluster', [0, 2], () => import('./handlers/describe-cluster.ts')),
  handled('AddPartitionsToTxn', [0, 5], () => import('./handlers/add-partitions-to-txn.ts')),
  handled('AddOffsetsToTxn', [0, 4], () => import('./handlers/add-offsets-to-txn.ts')),
  handled('EndTxn', [0, 5], () => import('./handlers/end-txn.ts')),
  handled('TxnOffsetCommit', [0, 5], () => import('./handlers/txn-offset-commit.ts')),
  handled('DescribeProducers', [0, 0], () => import('./handlers/describe-producers.ts')),
  handled('DescribeTransactions', [0, 0], () => import('./handlers/describe-transactions.ts')),
  handled('ListTransactions', [0, 2], () => import('./handlers/list-transactions.ts')),
  handled('DescribeAcls', [1, 3], () => import('./handlers/describe-acls.ts')),
  handled('CreateAcls', [1, 3], () => import('./handlers/create-acls.ts')),
  handled('DeleteAcls', [1, 3], () => import('./handlers/delete-acls.ts')),
  handled('DescribeLogDirs', [1, 4], () => import('./handlers/describe-log-dirs.ts')),
  handled('ElectLeaders', [0, 2], () => import('./handlers/elect-leaders.ts')),
  handled('DescribeTopicPartitions', [0, 0], () => import('./handlers/describe-topic-partitions.ts')),
  handled('ConsumerGroupHeartbeat', [0, 1], () => import('./handlers/consumer-group-heartbeat.ts')),
  handled('ConsumerGroupDescribe', [0, 1], () => import('./handlers/consumer-group-describe.ts')),
  handled('DescribeClientQuotas', [0, 1], () => import('./handlers/describe-client-quotas.ts')),
  handled('AlterClientQuotas', [0, 1], () => import('./handlers/alter-client-quotas.ts')),
];

/** In order of their keys, as ApiVersions lists them. */
export const SERVED_APIS: readonly ServedApi[] = [SERVED_PRODUCE, SERVED_FETCH, ...HANDLED_APIS].sort(
  (a, b) => a.key - b.key,
);

/** What ApiVersions lists. */
export const VERSION_TABLE = SERVED_APIS.map(({ key, advertisedMinVersion, maxVersion }) => ({
  apiKey: key,
  minVersion: advertisedMinVersion,
  maxVersion,
}));

const BY_KEY: ReadonlyMap<number, HandledApi> = new Map(HANDLED_APIS.map((each) => [each.key, each]));

/** The API of a key; Produce and Fetch are not among them. */
export function handledApi(apiKey: number): HandledApi | undefined {
  return BY_KEY.get(apiKey);
}

/** Loads what no request has asked for yet, one file after the other: requests get their turn in between. */
export async function loadHandlers(): Promise<void> {
  for (const api of HANDLED_APIS) {
    if (api.handler === undefined) await api.load();
    await setImmediate();
  }
}

/** @param versions first and last, inclusive. */
function served(name: ApiName, [minVersion, maxVersion]: readonly [number, number]): ServedApi {
  return { key: API_KEYS[name], name, minVersion, maxVersion, advertisedMinVersion: minVersion };
}

function handled(
  name: ApiName,
  versions: readonly [number, number],
  module: () => Promise<{ readonly handle: Handler }>,
): HandledApi {
  const api: HandledApi = {
    ...served(name, versions),
    handler: undefined,
    load: async () => {
      api.handler = (await module()).handle;
    },
  };
  return api;
}
