/**
 * Proves against a second independent implementation, kafkajs, for the versions up to Kafka 2.4 that it speaks: our
 * responses carry, in its reading, the same values in the same order; its requests decode to what it was given.
 *
 * Not covered: APIs that it lacks (its own list), SaslAuthenticate responses (it leaves the bytes to the mechanism, length
 * included), record sets (the model's), throttle times (it moves them), requests other than those in REQUESTS; the
 * golden frames hold one of nearly every request it can send.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arbitraryMessage, type MessageValue, type Overrides, plain } from '../../test/kit/arbitrary-message.ts';
import { kafkajsCodecs, leavesOfOurs, leavesOfTheirs, NO_ARGUMENTS } from '../../test/kit/kafkajs-oracle.ts';
import * as fc from '../../test/kit/properties.ts';
import type { Api } from './api.ts';
import { APIS, type ApiName } from './apis.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

const RUNS = 25;

const SKIPPED: ReadonlySet<string> = new Set([
  'throttleTimeMs',
  'throttleTime',
  'clientSideThrottleTime',
  'records',
  'messages',
  // Computed by it: not on the wire in the versions that we have.
  'isDefault',
  'error',
]);

/** It sorts these by name, so only the leaves are compared, not their order. */
const SORTED_BY_IT: ReadonlySet<string> = new Set([
  'CreateTopics',
  'DeleteTopics',
  'DeleteRecords',
  'CreatePartitions',
]);

/** It turns errors it does not know into exceptions, and a null array into an empty one. */
const errorCode = fc.constantFrom(0, 1, 3, 16);
const RESPONSES: Overrides = {
  errorCode,
  partitionErrorCode: errorCode,
  records: fc.constant(Buffer.alloc(0)),
  abortedTransactions: fc.constant([{ producerId: 5, firstOffset: 7 }]),
};

type Value = Readonly<Record<string, unknown>>;
type Structs = readonly Value[];

interface RequestSpec {
  readonly args: (q: Value) => Value;
  readonly fixed?: Overrides;
}

const partitionsOf = (topic: Value, map: (partition: Value) => unknown): Value => ({
  topic: topic['name'],
  partitions: (topic['partitions'] as Structs).map(map),
});

const committed = (partition: Value): Value => ({
  partition: partition['partitionIndex'],
  offset: partition['committedOffset'],
  metadata: partition['committedMetadata'],
});

const REQUESTS: Partial<Record<ApiName, RequestSpec>> = {
  ListOffsets: {
    args: (q) => ({
      replicaId: q['replicaId'],
      isolationLevel: q['isolationLevel'],
      topics: (q['topics'] as Structs).map((topic) =>
        partitionsOf(topic, (p) => ({ partition: p['partitionIndex'], timestamp: p['timestamp'] })),
      ),
    }),
  },
  Metadata: {
    args: (q) => ({ ...q, topics: (q['topics'] as Structs).map((topic) => topic['name']) }),
    // It sends an empty list as null.
    fixed: {
      topics: fc.array(fc.record({ topicId: fc.constant('0'.repeat(32)), name: fc.string() }), { minLength: 1 }),
    },
  },
  OffsetCommit: {
    args: (q) => ({
      groupId: q['groupId'],
      groupGenerationId: q['generationIdOrMemberEpoch'],
      memberId: q['memberId'],
      retentionTime: q['retentionTimeMs'],
      topics: (q['topics'] as Structs).map((topic) => partitionsOf(topic, committed)),
    }),
  },
  FindCoordinator: { args: (q) => ({ groupId: q['key'], coordinatorType: q['keyType'] }) },
  JoinGroup: {
    args: (q) => ({
      groupId: q['groupId'],
      sessionTimeout: q['sessionTimeoutMs'],
      rebalanceTimeout: q['rebalanceTimeoutMs'],
      memberId: q['memberId'],
      groupInstanceId: q['groupInstanceId'],
      protocolType: q['protocolType'],
      groupProtocols: (q['protocols'] as Structs).map((p) => ({ name: p['name'], metadata: asBuffer(p['metadata']) })),
    }),
  },
  SyncGroup: {
    args: (q) => ({
      ...q,
      groupAssignment: (q['assignments'] as Structs).map((a) => ({
        memberId: a['memberId'],
        memberAssignment: asBuffer(a['assignment']),
      })),
    }),
  },
  Heartbeat: { args: (q) => ({ ...q, groupGenerationId: q['generationId'] }) },
  InitProducerId: {
    args: (q) => ({ transactionalId: q['transactionalId'], transactionTimeout: q['transactionTimeoutMs'] }),
  },
  AddPartitionsToTxn: {
    args: (q) => ({
      transactionalId: q['v3AndBelowTransactionalId'],
      producerId: q['v3AndBelowProducerId'],
      producerEpoch: q['v3AndBelowProducerEpoch'],
      topics: (q['v3AndBelowTopics'] as Structs).map((topic) => ({ ...topic, topic: topic['name'] })),
    }),
  },
  AddOffsetsToTxn: { args: (q) => q },
  EndTxn: { args: (q) => ({ ...q, transactionResult: q['committed'] }) },
  TxnOffsetCommit: {
    args: (q) => ({ ...q, topics: (q['topics'] as Structs).map((topic) => partitionsOf(topic, committed)) }),
  },
};

function asBuffer(bytes: unknown): Buffer {
  return Buffer.from(bytes as Uint8Array);
}

function sharedVersions(api: Api): number[] {
  const versions = kafkajsCodecs(api.name)?.versions ?? [];
  return versions.map(Number).filter((version) => version >= api.minVersion && version <= api.maxVersion);
}

async function checkResponse(api: Api, version: number): Promise<void> {
  const codec = kafkajsCodecs(api.name)?.protocol({ version })(NO_ARGUMENTS);
  const check = async (value: MessageValue): Promise<void> => {
    const writer = new Writer();
    api.response.write(writer, version, value);
    const decoded = await codec?.response.decode(Buffer.from(writer.written()));
    const ours = leavesOfOurs({ kind: 'struct', fields: api.response.fields }, version, value, SKIPPED);
    const theirs = leavesOfTheirs(decoded, SKIPPED);
    if (SORTED_BY_IT.has(api.name)) assert.deepEqual(theirs.toSorted(), ours.toSorted());
    else assert.deepEqual(theirs, ours);
  };
  const values = arbitraryMessage(api.response.fields, version, RESPONSES);
  await fc.assert(fc.asyncProperty(values, check), { numRuns: RUNS });
}

async function checkRequest(api: Api, version: number, spec: RequestSpec): Promise<void> {
  const create = kafkajsCodecs(api.name)?.protocol({ version });
  const check = async (value: MessageValue): Promise<void> => {
    const encoder = await create?.(spec.args(value)).request.encode();
    const reader = new Reader(encoder?.buffer ?? Buffer.alloc(0));
    assert.deepEqual(plain(api.request.read(reader, version)), plain(value));
    assert.equal(reader.remaining, 0);
  };
  const values = arbitraryMessage(api.request.fields, version, spec.fixed ?? {});
  await fc.assert(fc.asyncProperty(values, check), { numRuns: RUNS });
}

describe('kafkajs', { timeout: 120_000 }, () => {
  for (const api of APIS as readonly Api[]) {
    const versions = sharedVersions(api);
    const spec = REQUESTS[api.name as ApiName];
    if (versions.length > 0 && api.name !== 'SaslAuthenticate') {
      it(`our ${api.name} responses carry the same values, versions ${versions.join(' ')}`, async () => {
        for (const version of versions) await checkResponse(api, version);
      });
    }
    if (spec !== undefined) {
      it(`its ${api.name} requests decode to what it was given, versions ${versions.join(' ')}`, async () => {
        assert.ok(versions.length > 0);
        for (const version of versions) await checkRequest(api, version, spec);
      });
    }
  }
});
