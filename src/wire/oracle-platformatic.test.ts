/**
 * Proves against an independent implementation, @platformatic/kafka: its requests decode to the values it was given,
 * and our responses parse to the values we wrote, in every API and version that both have, with random values.
 *
 * Not covered, because it has no such codec: NO_CODEC below; because its value lacks the field: NOT_IN_THEIRS; because
 * its encoder fixes a field: the `fixed` of each API. Fetch responses are compared with empty record sets, and Produce
 * requests by their frame, not their batches: those are the model's (src/model).
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arbitraryMessage, type MessageValue, type Overrides, plain } from '../../test/kit/arbitrary-message.ts';
import { codecOf, compareFields, encodeTheirs, parseTheirs, toTheirs } from '../../test/kit/platformatic-oracle.ts';
import * as fc from '../../test/kit/properties.ts';
import type { Api } from './api.ts';
import { APIS, type ApiName } from './apis.ts';
import { ERROR_CODES } from './error-codes.ts';
import { produce } from './messages/produce.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

const RUNS = 25;

/** It stops at Kafka 3.9 and 4.0 layouts, and has no ElectLeaders. */
const NO_CODEC: ReadonlySet<string> = new Set([
  'ListOffsets 10',
  'ListOffsets 11',
  'Metadata 13',
  'DescribeGroups 6',
  'DescribeCluster 2',
  'Produce 12',
  'Produce 13',
  'EndTxn 5',
  'TxnOffsetCommit 5',
  'OffsetCommit 10',
  'OffsetFetch 10',
  'ConsumerGroupDescribe 1',
  'ElectLeaders 0',
  'ElectLeaders 1',
  'ElectLeaders 2',
]);

/** Fields that its parsed responses do not show: read and dropped (both below). */
const NOT_IN_THEIRS: ReadonlySet<string> = new Set(['CreateTopics.topics.topicConfigErrorCode']);

type Theirs = Readonly<Record<string, unknown>>;
type Structs = readonly Theirs[];

interface RequestSpec {
  /** Arguments of their encoder, from our value in their terms. */
  readonly args: (q: Theirs, version: number) => readonly unknown[];
  /** Fields that their encoder does not let us choose in this version. */
  readonly fixed?: (version: number) => Overrides;
}

const always = <T>(value: T): fc.Arbitrary<T> => fc.constant(value);
const nonNull = fc.string({ maxLength: 12 });

const REQUESTS: Partial<Record<ApiName, RequestSpec>> = {
  Fetch: {
    args: (q, version) => [
      q['maxWaitMs'],
      q['minBytes'],
      q['maxBytes'],
      q['isolationLevel'],
      q['sessionId'],
      q['sessionEpoch'],
      version < 13 ? named(q['topics']) : q['topics'],
      version < 13 ? named(q['forgottenTopicsData']) : q['forgottenTopicsData'],
      q['rackId'],
    ],
    fixed: () => ({
      clusterId: always(null),
      replicaId: always(-1),
      replicaState: always(null),
      logStartOffset: always(-1),
    }),
  },
  ListOffsets: { args: (q) => [q['replicaId'], q['isolationLevel'], q['topics']] },
  Metadata: {
    args: (q) => [
      q['topics'],
      q['allowAutoTopicCreation'],
      q['includeTopicAuthorizedOperations'],
      q['includeClusterAuthorizedOperations'],
    ],
    fixed: (version) => (version < 12 ? { topicId: always('0'.repeat(32)), name: nonNull } : {}),
  },
  OffsetCommit: {
    args: (q) => [q['groupId'], q['generationIdOrMemberEpoch'], q['memberId'], q['groupInstanceId'], q['topics']],
    fixed: () => ({ retentionTimeMs: always(-1) }),
  },
  OffsetFetch: {
    args: (q, version) => [version < 8 ? [q] : q['groups'], q['requireStable']],
  },
  FindCoordinator: { args: (q, version) => [q['keyType'], version < 4 ? [q['key']] : q['coordinatorKeys']] },
  JoinGroup: {
    args: (q) => [
      q['groupId'],
      q['sessionTimeoutMs'],
      q['rebalanceTimeoutMs'],
      q['memberId'],
      q['groupInstanceId'],
      q['protocolType'],
      q['protocols'],
      q['reason'],
    ],
  },
  Heartbeat: { args: (q) => [q['groupId'], q['generationId'], q['memberId'], q['groupInstanceId']] },
  LeaveGroup: { args: (q, version) => [q['groupId'], version < 3 ? [{ memberId: q['memberId'] }] : q['members']] },
  SyncGroup: {
    args: (q) => [
      q['groupId'],
      q['generationId'],
      q['memberId'],
      q['groupInstanceId'],
      q['protocolType'],
      q['protocolName'],
      q['assignments'],
    ],
  },
  DescribeGroups: { args: (q) => [q['groups'], q['includeAuthorizedOperations']] },
  ListGroups: {
    args: (q) => [q['statesFilter'], q['typesFilter']],
    fixed: () => ({
      statesFilter: fc.array(fc.constantFrom('Stable', 'Empty', 'Dead')),
      typesFilter: fc.array(fc.constantFrom('classic', 'consumer', 'share')),
    }),
  },
  DeleteGroups: { args: (q) => [q['groupsNames']] },
  ApiVersions: { args: (q) => [q['clientSoftwareName'], q['clientSoftwareVersion']] },
  CreateTopics: { args: (q) => [q['topics'], q['timeoutMs'], q['validateOnly']] },
  DeleteTopics: {
    args: (q, version) => [
      version < 6 ? (q['topicNames'] as string[]).map((name) => ({ name })) : q['topics'],
      q['timeoutMs'],
    ],
  },
  DeleteRecords: { args: (q) => [q['topics'], q['timeoutMs']] },
  InitProducerId: {
    args: (q) => [q['transactionalId'], q['transactionTimeoutMs'], q['producerId'], q['producerEpoch']],
  },
  CreatePartitions: { args: (q) => [q['topics'], q['timeoutMs'], q['validateOnly']] },
  DescribeConfigs: { args: (q) => [q['resources'], q['includeSynonyms'], q['includeDocumentation']] },
  AlterConfigs: { args: (q) => [q['resources'], q['validateOnly']] },
  IncrementalAlterConfigs: { args: (q) => [q['resources'], q['validateOnly']] },
  DescribeCluster: { args: (q) => [q['includeClusterAuthorizedOperations'], q['endpointType']] },
  SaslHandshake: { args: (q) => [q['mechanism']] },
  SaslAuthenticate: { args: (q) => [q['authBytes']] },
  OffsetForLeaderEpoch: {
    args: (q) => [
      q['replicaId'],
      (q['topics'] as Structs).map((topic) => ({
        name: topic['topic'],
        partitions: (topic['partitions'] as Structs).map((p) => ({ ...p, partitionIndex: p['partition'] })),
      })),
    ],
  },
  DescribeLogDirs: {
    args: (q) => [(q['topics'] as Structs | null)?.map((topic) => ({ ...topic, name: topic['topic'] })) ?? null],
  },
  OffsetDelete: { args: (q) => [q['groupId'], q['topics']] },
  AddPartitionsToTxn: {
    args: (q, version) => [
      version >= 4
        ? q['transactions']
        : [
            {
              transactionalId: q['v3AndBelowTransactionalId'],
              producerId: q['v3AndBelowProducerId'],
              producerEpoch: q['v3AndBelowProducerEpoch'],
              topics: q['v3AndBelowTopics'],
            },
          ],
    ],
  },
  AddOffsetsToTxn: { args: (q) => [q['transactionalId'], q['producerId'], q['producerEpoch'], q['groupId']] },
  EndTxn: { args: (q) => [q['transactionalId'], q['producerId'], q['producerEpoch'], q['committed']] },
  TxnOffsetCommit: {
    args: (q) => [
      q['transactionalId'],
      q['groupId'],
      q['producerId'],
      q['producerEpoch'],
      q['generationId'],
      q['memberId'],
      q['groupInstanceId'],
      q['topics'],
    ],
  },
  DescribeProducers: { args: (q) => [q['topics']] },
  DescribeTransactions: { args: (q) => [q['transactionalIds']] },
  ListTransactions: {
    args: (q) => [q['stateFilters'], q['producerIdFilters'], q['durationFilter'], q['transactionalIdPattern']],
    fixed: () => ({ stateFilters: fc.array(fc.constantFrom('Empty', 'Ongoing')) }),
  },
  DescribeAcls: {
    args: (q) => [
      {
        resourceType: q['resourceTypeFilter'],
        resourceName: q['resourceNameFilter'],
        resourcePatternType: q['patternTypeFilter'],
        principal: q['principalFilter'],
        host: q['hostFilter'],
        operation: q['operation'],
        permissionType: q['permissionType'],
      },
    ],
  },
  DescribeClientQuotas: { args: (q) => [q['components'], q['strict']] },
  AlterClientQuotas: {
    args: (q) => [
      (q['entries'] as Structs).map((entry) => ({ ...entry, entities: entry['entity'] })),
      q['validateOnly'],
    ],
  },
  CreateAcls: { args: (q) => [q['creations']] },
  DeleteAcls: {
    args: (q) => [
      (q['filters'] as Structs).map((filter) => ({
        resourceType: filter['resourceTypeFilter'],
        resourceName: filter['resourceNameFilter'],
        resourcePatternType: filter['patternTypeFilter'],
        principal: filter['principalFilter'],
        host: filter['hostFilter'],
        operation: filter['operation'],
        permissionType: filter['permissionType'],
      })),
    ],
  },
  ConsumerGroupHeartbeat: {
    args: (q) => [
      q['groupId'],
      q['memberId'],
      q['memberEpoch'],
      q['instanceId'],
      q['rackId'],
      q['rebalanceTimeoutMs'],
      q['subscribedTopicNames'],
      q['subscribedTopicRegex'],
      q['serverAssignor'],
      q['topicPartitions'],
    ],
  },
  ConsumerGroupDescribe: { args: (q) => [q['groupIds'], q['includeAuthorizedOperations']] },
  DescribeTopicPartitions: { args: (q) => [q['topics'], q['responsePartitionLimit'], q['cursor']] },
};

/** Fetch to version 12: they carry the name where later versions carry the id. */
function named(topics: unknown): unknown {
  return (topics as Structs).map((topic) => ({ ...topic, topicId: topic['topic'] }));
}

/** Their responses under our names, where the shape differs. */
function reshape(name: string, version: number, theirs: Theirs): Theirs {
  const first = (field: string): Theirs => (theirs[field] as Structs)[0] as Theirs;
  if (name === 'FindCoordinator' && version < 4) return { ...theirs, ...first('coordinators') };
  if (name === 'AddPartitionsToTxn' && version < 4) {
    return { ...theirs, resultsByTopicV3AndBelow: first('resultsByTransaction')['topicResults'] };
  }
  if (name === 'DescribeAcls')
    return { ...theirs, resources: renamed(theirs['resources'], 'resourcePatternType', 'patternType') };
  if (name === 'DeleteAcls') {
    const filterResults = (theirs['filterResults'] as Structs).map((result) => ({
      ...result,
      matchingAcls: renamed(result['matchingAcls'], 'resourcePatternType', 'patternType'),
    }));
    return { ...theirs, filterResults };
  }
  if (name !== 'Fetch') return theirs;
  const responses = (theirs['responses'] as Structs).map((topic) => ({
    ...topic,
    topic: topic['topicId'],
    partitions: emptySets(topic),
  }));
  return { ...theirs, responses };
}

function renamed(structs: unknown, from: string, to: string): Structs {
  return (structs as Structs).map((struct) => ({ ...struct, [to]: struct[from] }));
}

/** They parse record sets into lists of batches; ours were empty. */
function emptySets(topic: Theirs): Structs {
  return (topic['partitions'] as Structs).map((partition) => ({
    ...partition,
    records: (partition['records'] as readonly unknown[] | null)?.length === 0 ? Buffer.alloc(0) : partition['records'],
  }));
}

/** They look every error code up, and know those up to Kafka 3.9. */
const knownCodes = Object.values(ERROR_CODES).filter((code) => code > 0 && code <= 127);
const errorCode = fc.oneof(
  { weight: 3, arbitrary: always(0) },
  { weight: 1, arbitrary: fc.constantFrom(...knownCodes) },
);

function responseOverrides(name: string, version: number): Overrides {
  // From version 3 on they stop at an error in ApiVersions: Kafka answers errors in the layout of version 0.
  const top = name === 'ApiVersions' && version >= 3 ? always(0) : errorCode;
  return { errorCode: top, partitionErrorCode: errorCode, records: always(Buffer.alloc(0)) };
}

function versionsOf(api: Api): number[] {
  const all = Array.from({ length: api.maxVersion - api.minVersion + 1 }, (_, i) => api.minVersion + i);
  return all.filter((version) => !NO_CODEC.has(`${api.name} ${version}`));
}

function checkRequest(api: Api, version: number, spec: RequestSpec): void {
  const codec = codecOf(api.name, version);
  assert.ok(codec !== undefined);
  const values = arbitraryMessage(api.request.fields, version, spec.fixed?.(version) ?? {});
  const check = (value: MessageValue): void => {
    const theirs = toTheirs({ kind: 'struct', fields: api.request.fields }, value) as Theirs;
    const reader = new Reader(encodeTheirs(codec, spec.args(theirs, version)));
    assert.deepEqual(plain(api.request.read(reader, version)), plain(value));
    assert.equal(reader.remaining, 0);
  };
  fc.assert(fc.property(values, check), { numRuns: RUNS });
}

function checkResponse(api: Api, version: number): void {
  const codec = codecOf(api.name, version);
  assert.ok(codec !== undefined);
  const values = arbitraryMessage(api.response.fields, version, responseOverrides(api.name, version));
  const check = (value: MessageValue): void => {
    const writer = new Writer();
    api.response.write(writer, version, value);
    const parsed = parseTheirs(codec, api.key, version, Buffer.from(writer.written())) as Theirs;
    const missing = new Set<string>();
    compareFields(api.response.fields, version, value, reshape(api.name, version, parsed), api.name, missing);
    assert.deepEqual(
      [...missing].filter((field) => !NOT_IN_THEIRS.has(field)),
      [],
    );
  };
  fc.assert(fc.property(values, check), { numRuns: RUNS });
}

describe('@platformatic/kafka', { timeout: 120_000 }, () => {
  for (const api of APIS as readonly Api[]) {
    const versions = versionsOf(api);
    const spec = REQUESTS[api.name as ApiName];
    if (spec !== undefined) {
      it(`its ${api.name} requests decode to what it was given`, () => {
        for (const version of versions) checkRequest(api, version, spec);
      });
    }
    if (versions.length > 0) {
      it(`our ${api.name} responses parse to what we wrote`, () => {
        for (const version of versions) checkResponse(api, version);
      });
    }
  }

  it('its Produce requests decode to their topics, partitions and batches', () => {
    const messages = ['a', 'b'].flatMap((topic) =>
      [0, 1].map((partition) => ({ topic, partition, value: Buffer.from('v') })),
    );
    for (const version of versionsOf(produce)) {
      const codec = codecOf('Produce', version);
      assert.ok(codec !== undefined);
      const request = produce.request.read(new Reader(encodeTheirs(codec, [-1, 250, messages, {}])), version);
      assert.equal(request.acks, -1);
      assert.equal(request.timeoutMs, 250);
      assert.equal(request.transactionalId, null);
      const shape = request.topicData.map((topic) => [topic.name, topic.partitionData.map((data) => data.index)]);
      assert.deepEqual(shape, [
        ['a', [0, 1]],
        ['b', [0, 1]],
      ]);
      for (const { records } of request.topicData.flatMap((topic) => topic.partitionData)) {
        assert.equal(records?.[16], 2, 'the magic byte of a record batch');
      }
    }
  });

  it('has the codecs that this test expects, and lacks those that it lists', () => {
    for (const api of APIS as readonly Api[]) {
      for (let version = api.minVersion; version <= api.maxVersion; version++) {
        const isListed = NO_CODEC.has(`${api.name} ${version}`);
        assert.equal(codecOf(api.name, version) === undefined, isListed, `${api.name} ${version}`);
      }
    }
  });
});
