/**
 * Proves what each API answers, through a real connection and a real broker: every version where versions differ in
 * meaning, and the error of every refusal. Layouts are proved in src/wire; group semantics in src/broker/groups.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit, type RawClient } from '../../../test/kit/kafka-kit.ts';
import {
  alterConfigs,
  createPartitions,
  createTopics,
  deleteGroups,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeConfigs,
  describeGroups,
  fetch,
  findCoordinator,
  heartbeat,
  incrementalAlterConfigs,
  initProducerId,
  joinGroup,
  leaveGroup,
  listGroups,
  listOffsets,
  metadata,
  NO_OPERATIONS,
  offsetCommit,
  offsetDelete,
  offsetFetch,
  offsetForLeaderEpoch,
  syncGroup,
  ZERO_UUID,
} from '../../wire/index.ts';

const DEADLINE = { timeout: 60_000 };
const ALL_ZERO = '0'.repeat(31);

function topicSpec(name: string, numPartitions = 1, replicationFactor = 1) {
  return { name, numPartitions, replicationFactor };
}

test('Metadata: all, none, by name, by id, and what each version means by them', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const topic = await kit.broker.topics.create({ name: 'food/eggs', partitions: 3 });
  const client = await kit.client();
  for (const version of [0, 1, 5, 9, 12, 13]) {
    const all = await client.call(metadata, version, { topics: version === 0 ? [] : null });
    assert.deepEqual(
      all.topics.map(({ name, partitions }) => [name, partitions.length]),
      [['food.eggs', 3]],
    );
    assert.equal(all.brokers[0]?.nodeId, 1);
    if (version >= 1) assert.equal(all.controllerId, 1);
    if (version >= 2) assert.equal(all.clusterId, kit.broker.clusterId);
    if (version >= 10) assert.equal(all.topics[0]?.topicId, topic.id);
    if (version >= 1) assert.deepEqual((await client.call(metadata, version, { topics: [] })).topics, []);
  }
  // The name may be null in answers from version 12 on: the request broke its connection.
  for (const [version, none] of [
    [10, ''],
    [11, ''],
    [12, null],
  ] as const) {
    const [unknown] = (await client.call(metadata, version, { topics: [{ topicId: 'ab'.repeat(16), name: null }] }))
      .topics;
    assert.deepEqual([unknown?.name, unknown?.errorCode], [none, 100]);
  }
  const byId = await client.call(metadata, 12, {
    topics: [
      { name: null, topicId: topic.id },
      { name: null, topicId: `${ALL_ZERO}1` },
    ],
  });
  assert.deepEqual(
    byId.topics.map(({ errorCode, name }) => [errorCode, name]),
    [
      [0, 'food.eggs'],
      [100, null],
    ],
  );
  const operations = { topics: null, includeTopicAuthorizedOperations: true };
  assert.equal((await client.call(metadata, 9, operations)).topics[0]?.topicAuthorizedOperations, 3576);
  assert.equal((await client.call(metadata, 9, { topics: null })).topics[0]?.topicAuthorizedOperations, NO_OPERATIONS);
});

test('Metadata creates missing topics where client and broker want it', DEADLINE, async () => {
  {
    await using kit = await KafkaKit.start({ broker: { defaultPartitions: 2 } });
    const client = await kit.client();
    const ask = (name: string, allowAutoTopicCreation: boolean) =>
      client.call(metadata, 9, { topics: [{ name }], allowAutoTopicCreation });
    assert.equal((await ask('new', false)).topics[0]?.errorCode, 3);
    const created = await ask('new', true);
    assert.deepEqual([created.topics[0]?.errorCode, created.topics[0]?.partitions.length], [0, 2]);
    assert.equal((await ask('not a name', true)).topics[0]?.errorCode, 17);
    assert.equal((await client.call(metadata, 1, { topics: [{ name: 'old/client' }] })).topics[0]?.name, 'old/client');
    const twice = await client.call(metadata, 9, { topics: [{ name: 'a' }, { name: 'b' }, { name: 'a' }] });
    assert.deepEqual(
      twice.topics.map(({ name }) => name),
      ['a', 'b'],
    );
  }
  await using kit = await KafkaKit.start({ broker: { autoCreateTopics: false } });
  const client = await kit.client();
  assert.equal((await client.call(metadata, 9, { topics: [{ name: 'new' }] })).topics[0]?.errorCode, 3);
});

test('CreateTopics: settings, validation, assignments, and every refusal', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const configs = [{ name: 'max.message.bytes', value: '2000' }];
  const created = await client.call(createTopics, 7, { topics: [{ ...topicSpec('made', 3, -1), configs }] });
  const made = created.topics[0];
  assert.deepEqual([made?.errorCode, made?.numPartitions, made?.replicationFactor], [0, 3, 1]);
  assert.equal(made?.topicId, kit.broker.topics.find('made')?.id);
  const config = made?.configs?.find(({ name }) => name === 'max.message.bytes');
  assert.deepEqual([config?.value, config?.configSource], ['2000', 1]);

  const refusals: [Parameters<typeof createTopics.request.write>[2]['topics'][number], number][] = [
    [topicSpec('made'), 36],
    [topicSpec('not a name'), 17],
    [topicSpec('p0', 0), 37],
    [topicSpec('p-2', -2), 37],
    [topicSpec('r3', 1, 3), 38],
    [{ ...topicSpec('c'), configs: [{ name: 'nosuch', value: '1' }] }, 40],
    [{ ...topicSpec('c'), configs: [{ name: 'max.message.bytes', value: 'many' }] }, 40],
    [{ ...topicSpec('c'), configs: [{ name: 'max.message.bytes', value: null }] }, 40],
    [{ ...topicSpec('c'), configs: [{ name: 'remote.storage.enable', value: 'true' }] }, 40],
    [{ ...topicSpec('as', -1, -1), assignments: [{ partitionIndex: 0, brokerIds: [7] }] }, 39],
    [{ ...topicSpec('as', -1, -1), assignments: [{ partitionIndex: 1, brokerIds: [1] }] }, 39],
    [{ ...topicSpec('as', 2, 1), assignments: [{ partitionIndex: 0, brokerIds: [1] }] }, 42],
  ];
  for (const [topic, errorCode] of refusals) {
    const answer = (await client.call(createTopics, 5, { topics: [topic] })).topics[0];
    assert.equal(answer?.errorCode, errorCode, topic.name);
    assert.ok((answer?.errorMessage?.length ?? 0) > 10, 'refusals say why');
  }
  const repeated = await client.call(createTopics, 4, { topics: [topicSpec('x'), topicSpec('x'), topicSpec('y')] });
  assert.deepEqual(
    repeated.topics.map(({ errorCode }) => errorCode),
    [42, 42, 0],
  );
  const assigned = { ...topicSpec('as', -1, -1), assignments: [{ partitionIndex: 0, brokerIds: [1] }] };
  assert.equal((await client.call(createTopics, 2, { topics: [assigned] })).topics[0]?.errorCode, 0);
  const dry = await client.call(createTopics, 4, { topics: [topicSpec('dry')], validateOnly: true });
  assert.equal(dry.topics[0]?.errorCode, 0);
  assert.deepEqual([kit.broker.topics.find('dry'), kit.broker.topics.find('x')], [undefined, undefined]);
});

test('DeleteTopics by name and id; a topic of the same name has another id', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const [first, second] = [
    await kit.broker.topics.create({ name: 'one' }),
    await kit.broker.topics.create({ name: 'two' }),
  ];
  const old = await client.call(deleteTopics, 1, { topicNames: ['one', 'nosuch'], timeoutMs: 100 });
  assert.deepEqual(
    old.responses.map(({ errorCode }) => errorCode),
    [0, 3],
  );
  const topics = [{ topicId: second.id }, { topicId: first.id }, { name: 'two', topicId: second.id }];
  const byId = await client.call(deleteTopics, 6, { topics, timeoutMs: 100 });
  assert.deepEqual(
    byId.responses.map(({ errorCode, name }) => [errorCode, name]),
    [
      [0, 'two'],
      [100, null],
      [42, 'two'],
    ],
  );
  assert.notEqual((await kit.broker.topics.create({ name: 'one' })).id, first.id);
});

test('a topic that was produced to, deleted and made anew is the new one', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const old = await kit.broker.topics.create({ name: 'again' });
  assert.equal((await client.produce('again', 0, batchOf(['old', 'old']))).baseOffset, 0);
  await kit.broker.topics.delete(old);
  assert.equal((await client.produce('again', 0, batchOf(['none']))).errorCode, 3);
  await kit.broker.topics.create({ name: 'again' });
  assert.equal((await client.produce('again', 0, batchOf(['new']))).baseOffset, 0);
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const byId = await client.call(fetch, 13, { maxWaitMs: 0, minBytes: 0, topics: [{ topicId: old.id, partitions }] });
  assert.equal(byId.responses[0]?.partitions[0]?.errorCode, 100);
});

test('Fetch: names and ids, epochs, ranges, sessions, isolation', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const topic = await kit.broker.topics.create({ name: 'read', partitions: 2 });
  await client.produce('read', 0, batchOf(['a', 'b', 'c']));
  const fetchOne = async (version: number, fetchOffset: number, more: object = {}, whole: object = {}) => {
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1000, ...more }];
    const topics = [{ topic: 'read', topicId: topic.id, partitions }];
    const answer = await client.call(fetch, version, { maxWaitMs: 0, minBytes: 0, topics, ...whole });
    return { answer, partition: answer.responses[0]?.partitions[0] };
  };
  for (let version = 4; version <= 17; version++) {
    const { answer, partition } = await fetchOne(version, 1);
    assert.equal(partition?.errorCode, 0);
    assert.equal(partition?.highWatermark, 3);
    assert.ok((partition?.records?.length ?? 0) > 61, 'the batch that contains the offset');
    if (version >= 13) assert.equal(answer.responses[0]?.topicId, topic.id);
    assert.equal(answer.sessionId, 0);
    const end = await fetchOne(version, 3);
    assert.deepEqual([end.partition?.errorCode, end.partition?.records?.length], [0, 0], 'empty, not null');
    assert.equal((await fetchOne(version, 4)).partition?.errorCode, 1);
    assert.equal((await fetchOne(version, -1)).partition?.errorCode, 1);
    assert.equal((await fetchOne(version, 0, { partition: 5 })).partition?.errorCode, 3);
  }
  assert.equal((await fetchOne(9, 0, { currentLeaderEpoch: 1 })).partition?.errorCode, 75);
  assert.equal((await fetchOne(9, 0, { currentLeaderEpoch: 0 })).partition?.errorCode, 0);
  assert.equal((await fetchOne(11, 0, {}, { sessionId: 5, sessionEpoch: 1 })).answer.errorCode, 70);
  assert.ok((await fetchOne(11, 0, {}, { sessionId: 0, sessionEpoch: 0 })).answer.sessionId > 0);
  assert.equal((await fetchOne(11, 0)).partition?.abortedTransactions, null);
  assert.deepEqual((await fetchOne(11, 0, {}, { isolationLevel: 1 })).partition?.abortedTransactions, []);
});

test('ListOffsets: ends, times, epochs, and versions that do not know a special time', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'times' });
  const listOne = async (version: number, timestamp: number, more: object = {}) => {
    const partitions = [{ partitionIndex: 0, timestamp, ...more }];
    const { topics } = await client.call(listOffsets, version, { topics: [{ name: 'times', partitions }] });
    const answer = topics[0]?.partitions[0];
    return [answer?.errorCode, answer?.offset, answer?.timestamp];
  };
  assert.deepEqual(await listOne(7, 1), [0, -1, -1]);
  await client.produce('times', 0, batchOf(['a', 'b', 'c'], undefined, 1_000));
  await client.produce('times', 0, batchOf(['d'], undefined, 5_000));
  for (const version of [1, 2, 5, 6, 11]) {
    assert.deepEqual(await listOne(version, -1), [0, 4, -1]);
    assert.deepEqual(await listOne(version, -2), [0, 0, -1]);
    assert.deepEqual(await listOne(version, 1_001), [0, 1, 1_001]);
    assert.deepEqual(await listOne(version, 1_500), [0, 3, 5_000]);
    assert.deepEqual(await listOne(version, 5_001), [0, -1, -1]);
  }
  assert.deepEqual(await listOne(7, -3), [0, 3, 5_000]);
  assert.deepEqual(await listOne(6, -3), [35, -1, -1]);
  assert.deepEqual(await listOne(8, -4), [0, 0, -1]);
  assert.deepEqual(await listOne(9, -5), [0, -1, -1]);
  assert.deepEqual(await listOne(11, -9), [42, -1, -1]);
  assert.deepEqual(await listOne(5, -1, { currentLeaderEpoch: 3 }), [75, -1, -1]);
  assert.deepEqual(await listOne(5, -1, { partitionIndex: 3 }), [3, -1, -1]);
});

test('DeleteRecords moves the log start; OffsetForLeaderEpoch tells the end', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'cut' });
  await client.produce('cut', 0, batchOf(['a', 'b', 'c']));
  const cut = async (offset: number, partitionIndex = 0) => {
    const topics = [{ name: 'cut', partitions: [{ partitionIndex, offset }] }];
    const answer = await client.call(deleteRecords, 2, { topics, timeoutMs: 100 });
    const partition = answer.topics[0]?.partitions[0];
    return [partition?.errorCode, partition?.lowWatermark];
  };
  assert.deepEqual(await cut(2), [0, 2]);
  assert.deepEqual(await cut(1), [0, 2]);
  assert.deepEqual(await cut(4), [1, -1]);
  assert.deepEqual(await cut(0, 9), [3, -1]);
  assert.deepEqual(await cut(-1), [0, 3]);
  assert.equal((await client.fetch('cut', 0, 2)).errorCode, 1);
  for (const version of [2, 3, 4]) {
    const partitions = [
      { partition: 0, leaderEpoch: 0 },
      { partition: 0, leaderEpoch: 5 },
      { partition: 0, leaderEpoch: 0, currentLeaderEpoch: 1 },
      { partition: 8, leaderEpoch: 0 },
    ];
    const answer = await client.call(offsetForLeaderEpoch, version, { topics: [{ topic: 'cut', partitions }] });
    assert.deepEqual(
      answer.topics[0]?.partitions.map(({ errorCode, endOffset }) => [errorCode, endOffset]),
      [
        [0, 3],
        [0, -1],
        [75, -1],
        [3, -1],
      ],
    );
  }
});

test('CreatePartitions: the new total, validation, refusals', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const topic = await kit.broker.topics.create({ name: 'grow' });
  const grow = async (count: number, more: object = {}, validateOnly = false) => {
    const topics = [{ name: 'grow', count, assignments: null, ...more }];
    return (await client.call(createPartitions, 3, { topics, timeoutMs: 100, validateOnly })).results[0]?.errorCode;
  };
  assert.equal(await grow(4, {}, true), 0);
  assert.equal(topic.partitions.length, 1);
  assert.equal(await grow(4), 0);
  assert.equal(topic.partitions.length, 4);
  assert.equal(await grow(4), 37);
  assert.equal(await grow(2), 37);
  assert.equal(await grow(5, { name: 'nosuch' }), 3);
  assert.equal(await grow(5, { assignments: [{ brokerIds: [2] }] }), 39);
  assert.equal(await grow(5, { assignments: [{ brokerIds: [1] }] }), 0);
});

test('configuration: described, replaced, changed one by one, refused', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'set' });
  const topic = { resourceType: 2, resourceName: 'set' };
  const describe = async (resource: object, names: string[] | null, version = 4) => {
    const resources = [{ ...topic, configurationKeys: names, ...resource }];
    const more = version >= 3 ? { includeDocumentation: true } : {};
    return (await client.call(describeConfigs, version, { resources, includeSynonyms: true, ...more })).results[0];
  };
  const one = async () => {
    const entry = (await describe({}, ['max.message.bytes']))?.configs[0];
    return [entry?.value, entry?.configSource];
  };
  const initial = await one();
  assert.equal(initial[1], 5);
  const whole = await describe({}, null, 1);
  assert.ok((whole?.configs.length ?? 0) > 25, 'every known setting');
  const documented = await describe({}, null);
  for (const { name, documentation, synonyms, configType } of documented?.configs ?? []) {
    assert.ok((documentation?.length ?? 0) > 20 && configType > 0 && synonyms.length > 0, name);
  }
  assert.ok(
    (await describe({ resourceType: 4, resourceName: '1' }, null))?.configs.some(({ name }) => name === 'broker.id'),
  );
  assert.equal((await describe({ resourceName: 'nosuch' }, null))?.errorCode, 3);
  assert.equal((await describe({ resourceType: 4, resourceName: '9' }, null))?.errorCode, 42);
  assert.equal((await describe({ resourceType: 77 }, null))?.errorCode, 42);

  const change = async (configOperation: number, name: string, value: string | null, validateOnly = false) => {
    const resources = [{ ...topic, configs: [{ name, configOperation, value }] }];
    const answer = await client.call(incrementalAlterConfigs, 1, { resources, validateOnly });
    return answer.responses[0]?.errorCode;
  };
  assert.equal(await change(0, 'max.message.bytes', '3000', true), 0);
  assert.deepEqual(await one(), initial);
  assert.equal(await change(0, 'max.message.bytes', '3000'), 0);
  assert.deepEqual(await one(), ['3000', 1]);
  assert.equal((await client.produce('set', 0, batchOf(['x'.repeat(4_000)]))).errorCode, 10);
  assert.equal(await change(1, 'max.message.bytes', null), 0);
  assert.deepEqual(await one(), initial);
  assert.equal(await change(0, 'max.message.bytes', 'x'), 40);
  assert.equal(await change(0, 'nosuch', '1'), 40);
  assert.equal(await change(2, 'max.message.bytes', '1'), 40, 'no list');
  assert.equal(await change(2, 'leader.replication.throttled.replicas', '0:1'), 0);
  assert.equal(await change(2, 'leader.replication.throttled.replicas', '1:1'), 0);
  assert.equal(await change(3, 'leader.replication.throttled.replicas', '0:1'), 0);
  const throttled = await describe({}, ['leader.replication.throttled.replicas']);
  assert.equal(throttled?.configs[0]?.value, '1:1');
  assert.equal(await change(1, 'leader.replication.throttled.replicas', null), 0);
  assert.equal(await change(4, 'max.message.bytes', '1'), 42, 'no such operation');
  assert.equal(await change(0, 'max.message.bytes', null), 42, 'no value');
  assert.equal(await change(0, 'remote.storage.enable', 'true'), 40, 'does not act yet');
  const twice = { ...topic, configs: [0, 1].map(() => ({ name: 'segment.ms', configOperation: 0, value: '1' })) };
  const once = { ...topic, configs: [{ name: 'segment.ms', configOperation: 0, value: '1' }] };
  for (const resources of [[twice], [once, once]]) {
    const { responses } = await client.call(incrementalAlterConfigs, 1, { resources, validateOnly: true });
    assert.ok(responses.every(({ errorCode }) => errorCode === 42));
  }
  assert.equal((await describe({}, ['segment.ms']))?.configs[0]?.configSource, 5);

  const replace = async (configs: { name: string; value: string }[], resource: object = {}) => {
    const resources = [{ ...topic, configs, ...resource }];
    return (await client.call(alterConfigs, 2, { resources, validateOnly: false })).responses[0]?.errorCode;
  };
  assert.equal(await replace([{ name: 'max.message.bytes', value: '4000' }]), 0);
  assert.equal(await replace([]), 0);
  assert.deepEqual(await one(), initial, 'what is not named goes back to its default');
  assert.equal(await replace([], { resourceName: 'nosuch' }), 3);
  assert.equal(await replace([], { resourceType: 4, resourceName: '1' }), 42);
});

test('DescribeCluster, FindCoordinator', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const cluster = await client.call(describeCluster, 2, { includeClusterAuthorizedOperations: true });
  assert.deepEqual([cluster.errorCode, cluster.clusterId, cluster.brokers.length], [0, kit.broker.clusterId, 1]);
  const controllers = { includeClusterAuthorizedOperations: false, endpointType: 2 };
  assert.equal((await client.call(describeCluster, 1, controllers)).errorCode, 115);
  assert.equal((await client.call(findCoordinator, 0, { key: 'g' })).nodeId, 1);
  const several = await client.call(findCoordinator, 4, { coordinatorKeys: ['a', 'b'] });
  assert.deepEqual(
    several.coordinators.map(({ key, nodeId, errorCode }) => [key, nodeId, errorCode]),
    [
      ['a', 1, 0],
      ['b', 1, 0],
    ],
  );
  const transaction = await client.call(findCoordinator, 2, { key: 't', keyType: 1 });
  assert.deepEqual([transaction.errorCode, transaction.nodeId], [0, 1]);
  const share = await client.call(findCoordinator, 6, { keyType: 2, coordinatorKeys: ['s'] });
  assert.equal(share.coordinators[0]?.errorCode, 42);
});

test('InitProducerId: fresh ids, idempotent produce, transactional ids in form', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'once' });
  const [first, second] = [
    await client.call(initProducerId, 0, { transactionalId: null, transactionTimeoutMs: 0 }),
    await client.call(initProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 }),
  ];
  assert.deepEqual([first.errorCode, first.producerEpoch, second.producerId - first.producerId], [0, 0, 1]);
  const producer = { producerId: first.producerId, producerEpoch: 0, baseSequence: 0 };
  for (let i = 0; i < 2; i++)
    assert.equal((await client.produce('once', 0, batchOf(['a', 'b'], producer))).baseOffset, 0);
  const gap = { ...producer, baseSequence: 7 };
  assert.equal((await client.produce('once', 0, batchOf(['c'], gap))).errorCode, 45);
  for (const [transactionalId, errorCode] of [
    ['', 42],
    ['t'.repeat(2000), 42],
    ['t', 0],
  ] as const) {
    const refused = await client.call(initProducerId, 4, { transactionalId, transactionTimeoutMs: 1000 });
    assert.equal(refused.errorCode, errorCode);
  }
});

/** Joins a one-member group as a v4+ client does. */
async function join(client: RawClient, groupId: string): Promise<{ memberId: string; generationId: number }> {
  const request = {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('meta') }],
  };
  const required = await client.call(joinGroup, 9, { ...request, memberId: '' });
  assert.equal(required.errorCode, 79);
  const joined = await client.call(joinGroup, 9, { ...request, memberId: required.memberId });
  assert.deepEqual([joined.errorCode, joined.leader, joined.protocolName], [0, required.memberId, 'range']);
  assert.deepEqual(Buffer.from(joined.members[0]?.metadata ?? []).toString(), 'meta');
  return { memberId: joined.memberId, generationId: joined.generationId };
}

test('a group: join, sync, heartbeat, offsets, description, leave, deletion', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'grouped', partitions: 2 });
  const groupId = 'g1';
  const member = await join(client, groupId);
  const assignments = [{ memberId: member.memberId, assignment: Buffer.from('mine') }];
  const synced = await client.call(syncGroup, 5, { groupId, ...member, assignments });
  assert.deepEqual([synced.errorCode, Buffer.from(synced.assignment).toString()], [0, 'mine']);
  assert.equal((await client.call(heartbeat, 4, { groupId, ...member })).errorCode, 0);
  const unknown = await client.call(heartbeat, 0, { groupId, memberId: 'x', generationId: member.generationId });
  assert.equal(unknown.errorCode, 25);

  const partitions = [
    { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 0, committedMetadata: 'note' },
    { partitionIndex: 9, committedOffset: 1 },
  ];
  const identity = { memberId: member.memberId, generationIdOrMemberEpoch: member.generationId };
  const committed = await client.call(offsetCommit, 8, {
    groupId,
    ...identity,
    topics: [{ name: 'grouped', partitions }],
  });
  assert.deepEqual(
    committed.topics[0]?.partitions.map(({ errorCode }) => errorCode),
    [0, 3],
  );
  const asked = [{ name: 'grouped', partitionIndexes: [0, 1] }];
  const expected = [
    [0, 5, 'note', 0],
    [1, -1, '', 0],
  ];
  for (const version of [1, 5, 7]) {
    const { topics } = await client.call(offsetFetch, version, { groupId, topics: asked });
    assert.deepEqual(
      topics[0]?.partitions.map((each) => [each.partitionIndex, each.committedOffset, each.metadata, each.errorCode]),
      expected,
    );
  }
  const several = await client.call(offsetFetch, 8, {
    groups: [
      { groupId, topics: null },
      { groupId: 'none', topics: asked },
    ],
  });
  assert.deepEqual(
    several.groups.map(({ errorCode, topics }) => [errorCode, topics[0]?.partitions[0]?.committedOffset]),
    [
      [0, 5],
      [0, -1],
    ],
  );

  const listed = await client.call(listGroups, 5, { statesFilter: ['stable'], typesFilter: ['classic'] });
  assert.deepEqual(
    listed.groups.map(({ groupId: id, groupState, groupType }) => [id, groupState, groupType]),
    [[groupId, 'Stable', 'classic']],
  );
  assert.deepEqual((await client.call(listGroups, 5, { statesFilter: ['Empty'] })).groups, []);
  assert.deepEqual((await client.call(listGroups, 5, { typesFilter: ['consumer'] })).groups, []);
  const described = await client.call(describeGroups, 6, { groups: [groupId, 'none', groupId] });
  assert.deepEqual(
    described.groups.map(({ errorCode, groupState, members }) => [errorCode, groupState, members[0]?.clientHost]),
    [
      [0, 'Stable', '127.0.0.1'],
      [69, 'Dead', undefined],
    ],
  );
  assert.equal((await client.call(describeGroups, 5, { groups: ['none'] })).groups[0]?.errorCode, 0);

  assert.equal((await client.call(deleteGroups, 2, { groupsNames: [groupId] })).results[0]?.errorCode, 68);
  const left = await client.call(leaveGroup, 5, {
    groupId,
    members: [{ memberId: member.memberId }, { memberId: 'x' }],
  });
  assert.deepEqual(
    left.members.map(({ errorCode }) => errorCode),
    [0, 25],
  );
  assert.equal((await client.call(leaveGroup, 1, { groupId, memberId: member.memberId })).errorCode, 25);
  const offsetTopics = [{ name: 'grouped', partitions: [{ partitionIndex: 0 }] }];
  const removed = await client.call(offsetDelete, 0, { groupId, topics: offsetTopics });
  assert.deepEqual([removed.errorCode, removed.topics[0]?.partitions[0]?.errorCode], [0, 0]);
  const deleted = await client.call(deleteGroups, 2, { groupsNames: [groupId, 'none'] });
  assert.deepEqual(
    deleted.results.map(({ errorCode }) => errorCode),
    [0, 69],
  );
  assert.equal(
    (
      await client.call(joinGroup, 0, {
        groupId: '',
        sessionTimeoutMs: 10_000,
        memberId: '',
        protocolType: 'c',
        protocols: [],
      })
    ).errorCode,
    24,
  );
});

test('topic ids are never zero, since Fetch by id is listed', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const { topics } = await client.call(metadata, 12, { topics: [{ name: 'with-id' }] });
  assert.match(topics[0]?.topicId ?? '', /^[0-9a-f]{32}$/);
  assert.notEqual(topics[0]?.topicId, ZERO_UUID);
});
