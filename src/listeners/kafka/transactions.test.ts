/**
 * Proves what transactions look like on the wire: every version of their requests, both protocols, which codes each
 * version is told, and what tools see. The state machine itself: src/broker/transactions.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit, type RawClient } from '../../../test/kit/kafka-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import type { ProducerFields } from '../../model/batch-builder.ts';
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  apiVersions,
  describeProducers,
  describeTransactions,
  ERROR_CODES,
  endTxn,
  errorName,
  fetch,
  initProducerId,
  listTransactions,
  offsetFetch,
  produce,
  txnOffsetCommit,
} from '../../wire/index.ts';

const DEADLINE = { timeout: 60_000 };
const ID = 'tx';

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

async function init(client: RawClient, version = 4, given?: Identity) {
  const body = { transactionalId: ID, transactionTimeoutMs: 60_000, ...given };
  return await client.call(initProducerId, version, body);
}

async function begin(client: RawClient): Promise<Identity> {
  const { errorCode, producerId, producerEpoch } = await init(client);
  assert.equal(errorCode, ERROR_CODES.NONE);
  return { producerId, producerEpoch };
}

async function add(client: RawClient, version: number, who: Identity, partitions: number[], verifyOnly = false) {
  const topics = [{ name: 't', partitions }];
  if (version >= 4) {
    const transactions = [{ transactionalId: ID, ...who, verifyOnly, topics }];
    const answer = await client.call(addPartitionsToTxn, version, { transactions });
    assert.equal(answer.errorCode, ERROR_CODES.NONE);
    return codesOf(answer.resultsByTransaction[0]?.topicResults[0]?.resultsByPartition ?? []);
  }
  const answer = await client.call(addPartitionsToTxn, version, {
    v3AndBelowTransactionalId: ID,
    v3AndBelowProducerId: who.producerId,
    v3AndBelowProducerEpoch: who.producerEpoch,
    v3AndBelowTopics: topics,
  });
  return codesOf(answer.resultsByTopicV3AndBelow[0]?.resultsByPartition ?? []);
}

function codesOf(results: readonly { partitionErrorCode: number }[]): string[] {
  return results.map(({ partitionErrorCode }) => errorName(partitionErrorCode));
}

async function write(client: RawClient, version: number, producer: ProducerFields, index = 0): Promise<string> {
  const records = batchOf(['v'], { ...producer, transactional: true });
  return errorName((await client.produce('t', index, records, -1, version)).errorCode);
}

async function stage(client: RawClient, version: number, who: Identity, offset = 1): Promise<string> {
  const { topics } = await client.call(txnOffsetCommit, version, {
    transactionalId: ID,
    groupId: 'g',
    ...who,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: offset }] }],
  });
  return errorName(topics[0]?.partitions[0]?.errorCode ?? 0);
}

async function offsets(client: RawClient, version: number, who: Identity): Promise<string> {
  const body = { transactionalId: ID, groupId: 'g', ...who };
  return errorName((await client.call(addOffsetsToTxn, version, body)).errorCode);
}

async function end(client: RawClient, version: number, who: Identity, committed = true) {
  const answer = await client.call(endTxn, version, { transactionalId: ID, ...who, committed });
  return { ...answer, error: errorName(answer.errorCode) };
}

async function committedOffset(client: RawClient): Promise<number> {
  const answer = await client.call(offsetFetch, 5, { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] });
  return answer.topics[0]?.partitions[0]?.committedOffset ?? -2;
}

async function kitWithTopic(options: Parameters<typeof KafkaKit.start>[0] = {}): Promise<KafkaKit> {
  const kit = await KafkaKit.start(options);
  await kit.broker.topics.create({ name: 't', partitions: 4 });
  return kit;
}

test('the first protocol, in every version of its requests', DEADLINE, async () => {
  await using kit = await kitWithTopic();
  const client = await kit.client();
  for (let version = 0; version <= 5; version++) {
    const { errorCode, ...who } = await init(client, version);
    assert.equal(errorCode, ERROR_CODES.NONE);
    assert.deepEqual([who.producerId, who.producerEpoch], [0, version], 'one id, the next epoch');
    assert.deepEqual(await add(client, version, who, [0, 1]), ['NONE', 'NONE']);
    assert.equal(await write(client, Math.min(3 + version, 11), { ...who, baseSequence: 0 }), 'NONE');
    const old = Math.min(version, 4);
    assert.equal(await offsets(client, old, who), 'NONE');
    assert.equal(await stage(client, old, who, version), 'NONE');
    assert.deepEqual((await end(client, old, who)).error, 'NONE');
    assert.equal(await committedOffset(client), version);
    assert.equal((await end(client, old, who)).error, 'NONE', 'repeated');
    assert.equal((await end(client, old, who, false)).error, 'INVALID_TXN_STATE');
  }
});

/** @param since first version whose clients know PRODUCER_FENCED. */
function fenced(version: number, since: number): string {
  return version < since ? 'INVALID_PRODUCER_EPOCH' : 'PRODUCER_FENCED';
}

test('each version is told codes that its clients know', DEADLINE, async () => {
  await using kit = await kitWithTopic();
  const client = await kit.client();
  const old = await begin(client);
  const who = await begin(client);
  for (let version = 0; version <= 5; version++) {
    assert.deepEqual(await add(client, version, old, [0]), [fenced(version, 2)]);
    assert.equal((await end(client, version, old)).error, fenced(version, 2));
    assert.equal(await stage(client, version, old), 'INVALID_PRODUCER_EPOCH');
    if (version <= 4) assert.equal(await offsets(client, version, old), fenced(version, 2));
    if (version >= 3) assert.equal(errorName((await init(client, version, old)).errorCode), fenced(version, 4));
  }
  for (let version = 3; version <= 11; version++) {
    const expected = version < 11 ? 'INVALID_TXN_STATE' : 'TRANSACTION_ABORTABLE';
    assert.equal(await write(client, version, { ...who, baseSequence: 0 }), expected);
    assert.equal(await write(client, version, { ...old, baseSequence: 0 }), 'INVALID_PRODUCER_EPOCH');
  }
  for (let version = 0; version <= 4; version++) {
    assert.equal(await stage(client, version, who), version < 4 ? 'INVALID_TXN_STATE' : 'TRANSACTION_ABORTABLE');
  }
  assert.deepEqual(await add(client, 4, who, [0], true), ['INVALID_TXN_STATE']);
  assert.deepEqual(await add(client, 5, who, [0], true), ['TRANSACTION_ABORTABLE']);
  const unknown = { producerId: 77, producerEpoch: 0 };
  assert.equal(await write(client, 11, { ...unknown, baseSequence: 0 }), 'INVALID_PRODUCER_ID_MAPPING');
  assert.deepEqual(await add(client, 5, unknown, [0]), ['INVALID_PRODUCER_ID_MAPPING']);
});

test(
  'the second protocol: the feature is told, partitions and groups join by themselves, ends give epochs',
  DEADLINE,
  async () => {
    await using kit = await kitWithTopic();
    const client = await kit.client();
    const software = { clientSoftwareName: 'kit', clientSoftwareVersion: '1' };
    const level = [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }];
    const third = await client.call(apiVersions, 3, software);
    assert.deepEqual([third.finalizedFeatures, third.finalizedFeaturesEpoch, third.supportedFeatures], [level, 0, []]);
    const fourth = await client.call(apiVersions, 4, software);
    assert.deepEqual(fourth.finalizedFeatures, level);
    assert.deepEqual(fourth.supportedFeatures, [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }]);

    let who = await begin(client);
    for (const committed of [true, false, true]) {
      assert.equal(await write(client, 12, { ...who, baseSequence: 0 }), 'NONE');
      assert.equal(await write(client, 12, { ...who, baseSequence: 0 }, 2), 'NONE');
      assert.equal(await stage(client, 5, who, 10 + who.producerEpoch), 'NONE');
      const answer = await end(client, 5, who, committed);
      assert.deepEqual([answer.error, answer.producerEpoch], ['NONE', who.producerEpoch + 1]);
      const again = await end(client, 5, who, committed);
      assert.deepEqual([again.error, again.producerEpoch], ['NONE', who.producerEpoch + 1]);
      assert.equal(await write(client, 12, { ...who, baseSequence: 1 }), 'INVALID_PRODUCER_EPOCH');
      who = { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    }
    assert.equal(await committedOffset(client), 12);
    const { responses } = await client.call(fetch, 11, {
      maxWaitMs: 0,
      minBytes: 1,
      isolationLevel: 1,
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }] }],
    });
    assert.deepEqual(responses[0]?.partitions[0]?.abortedTransactions, [
      { producerId: who.producerId, firstOffset: 2 },
    ]);
    assert.equal(responses[0]?.partitions[0]?.lastStableOffset, 6);
    const refused = await end(client, 5, who, true);
    assert.deepEqual([refused.error, refused.producerId, refused.producerEpoch], ['INVALID_TXN_STATE', -1, -1]);
  },
);

test('Produce 13 names topics by id, and says when an id is unknown', DEADLINE, async () => {
  await using kit = await kitWithTopic();
  const client = await kit.client();
  const who = await begin(client);
  const topic = kit.broker.topics.find('t');
  assert.ok(topic !== undefined);
  const other = 'ab'.repeat(16);
  const send = async (sequence: number) => {
    const records = batchOf(['v'], { ...who, baseSequence: sequence, transactional: true });
    const { responses } = await client.call(produce, 13, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        {
          topicId: topic.id,
          partitionData: [
            { index: 1, records },
            { index: 9, records },
          ],
        },
        { topicId: other, partitionData: [{ index: 0, records }] },
      ],
    });
    return responses.map(({ topicId, partitionResponses }) => ({
      topicId,
      answers: partitionResponses.map(({ errorCode, baseOffset }) => [errorName(errorCode), baseOffset]),
    }));
  };
  for (const offset of [0, 1]) {
    assert.deepEqual(await send(offset), [
      {
        topicId: topic.id,
        answers: [
          ['NONE', offset],
          ['UNKNOWN_TOPIC_OR_PARTITION', -1],
        ],
      },
      { topicId: other, answers: [['UNKNOWN_TOPIC_ID', -1]] },
    ]);
  }
  assert.equal((await end(client, 5, who)).error, 'NONE');
  await kit.broker.topics.delete(topic);
  assert.deepEqual((await send(0))[0]?.answers, [
    ['UNKNOWN_TOPIC_ID', -1],
    ['UNKNOWN_TOPIC_ID', -1],
  ]);
});

test(
  'tools see who writes, what is open since when, and find it by state, producer and duration',
  DEADLINE,
  async () => {
    const clock = new ManualClock();
    await using kit = await kitWithTopic({ clock });
    const client = await kit.client();
    const who = await begin(client);
    const describe = async (id: string) =>
      (await client.call(describeTransactions, 0, { transactionalIds: [id] })).transactionStates[0];
    assert.equal((await describe(ID))?.transactionState, 'Empty');
    assert.equal((await describe(ID))?.transactionStartTimeMs, -1);
    assert.equal(errorName((await describe('none'))?.errorCode ?? 0), 'TRANSACTIONAL_ID_NOT_FOUND');
    assert.equal(errorName((await describe(''))?.errorCode ?? 0), 'INVALID_REQUEST');

    const startedAt = clock.now();
    assert.equal(await write(client, 12, { ...who, baseSequence: 0 }), 'NONE');
    clock.advance(5000);
    const open = await describe(ID);
    assert.deepEqual(
      { ...open, topics: open?.topics.map(({ topic, partitions }) => [topic, partitions]) },
      {
        errorCode: 0,
        transactionalId: ID,
        transactionState: 'Ongoing',
        transactionTimeoutMs: 60_000,
        transactionStartTimeMs: startedAt,
        producerId: who.producerId,
        producerEpoch: who.producerEpoch,
        topics: [['t', [0]]],
      },
    );
    const producers = await client.call(describeProducers, 0, { topics: [{ name: 't', partitionIndexes: [0, 1, 9] }] });
    const partitions = producers.topics[0]?.partitions ?? [];
    assert.deepEqual(
      partitions.map(({ errorCode, activeProducers }) => [
        errorName(errorCode),
        activeProducers.map(({ producerId, lastSequence, currentTxnStartOffset }) => [
          producerId,
          lastSequence,
          currentTxnStartOffset,
        ]),
      ]),
      [
        ['NONE', [[who.producerId, 0, 0]]],
        ['NONE', []],
        ['UNKNOWN_TOPIC_OR_PARTITION', []],
      ],
    );
    const list = async (filters: object) => {
      const body = { stateFilters: [], producerIdFilters: [], ...filters };
      const answer = await client.call(listTransactions, 2, body);
      if (answer.errorCode !== 0) return errorName(answer.errorCode);
      return [answer.transactionStates.map(({ transactionalId }) => transactionalId), answer.unknownStateFilters];
    };
    assert.deepEqual(await list({}), [[ID], []]);
    assert.deepEqual(await list({ stateFilters: ['Ongoing', 'Nonsense'] }), [[ID], ['Nonsense']]);
    assert.deepEqual(await list({ stateFilters: ['PrepareCommit'] }), [[], []]);
    assert.deepEqual(await list({ producerIdFilters: [who.producerId + 1] }), [[], []]);
    assert.deepEqual(await list({ durationFilter: 4999 }), [[ID], []]);
    assert.deepEqual(await list({ durationFilter: 5000 }), [[], []]);
    // As Java's `matches`: the whole id.
    assert.deepEqual(await list({ transactionalIdPattern: `${ID.slice(0, 1)}.*` }), [[ID], []]);
    assert.deepEqual(await list({ transactionalIdPattern: ID.slice(0, 1) }), [[], []]);
    assert.deepEqual(await list({ transactionalIdPattern: '' }), [[ID], []]);
    assert.deepEqual(await list({ transactionalIdPattern: `(?i)${ID.toUpperCase()}`, stateFilters: ['Empty'] }), [
      [],
      [],
    ]);
    for (const wrong of ['(', 'a(?=b)', 'x'.repeat(5000)]) {
      assert.equal(await list({ transactionalIdPattern: wrong }), 'INVALID_REGULAR_EXPRESSION');
    }
    assert.equal((await end(client, 5, who)).error, 'NONE');
    assert.equal((await describe(ID))?.transactionState, 'CompleteCommit');
  },
);
