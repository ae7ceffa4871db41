/**
 * Proves over the wire: heartbeats of the new group protocol in both versions, what other requests see of such a group
 * (ListGroups, DescribeGroups, ConsumerGroupDescribe, commits and fetches of every version), topics by id.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KafkaKit, type RawClient } from '../../../test/kit/kafka-kit.ts';
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
  deleteGroups,
  describeGroups,
  leaveGroup,
  listGroups,
  offsetCommit,
  offsetFetch,
} from '../../wire/index.ts';

const OPTIONS = { timeout: 60_000 } as const;
const MEMBER = 'member-one';

async function scene(kit: KafkaKit): Promise<{ client: RawClient; topicId: string }> {
  const topic = await kit.broker.topics.create({ name: 'shop.orders', partitions: 2 });
  return { client: await kit.client(), topicId: topic.id };
}

async function join(client: RawClient, change: object = {}) {
  return await client.call(consumerGroupHeartbeat, 1, {
    groupId: 'g',
    memberId: MEMBER,
    memberEpoch: 0,
    rebalanceTimeoutMs: 1_000,
    subscribedTopicNames: ['shop/orders'],
    topicPartitions: [],
    ...change,
  });
}

test('a member joins, is described and listed, leaves', OPTIONS, async () => {
  await using kit = await KafkaKit.start();
  const { client, topicId } = await scene(kit);
  const joined = await join(client, {
    instanceId: 'one',
    rackId: 'r',
    subscribedTopicRegex: 'x.*',
    serverAssignor: 'range',
  });
  const topicPartitions = [{ topicId, partitions: [0, 1] }];
  assert.deepEqual(
    [joined.errorCode, joined.memberId, joined.memberEpoch, joined.heartbeatIntervalMs, joined.assignment],
    [0, MEMBER, 1, 1_000, { topicPartitions }],
  );
  const plain = { groupId: 'g', memberId: MEMBER, memberEpoch: 1 };
  const beat = await client.call(consumerGroupHeartbeat, 0, plain);
  assert.deepEqual([beat.errorCode, beat.memberEpoch, beat.assignment], [0, 1, null]);
  const named = { topicPartitions: [{ topicId, topicName: 'shop.orders', partitions: [0, 1] }] };
  for (const version of [0, 1]) {
    const { groups } = await client.call(consumerGroupDescribe, version, { groupIds: ['g', 'absent', 'g'] });
    assert.equal(groups.length, 2);
    assert.deepEqual(groups[0], {
      errorCode: 0,
      errorMessage: null,
      groupId: 'g',
      groupState: 'Stable',
      groupEpoch: 1,
      assignmentEpoch: 1,
      assignorName: 'range',
      members: [
        {
          memberId: MEMBER,
          instanceId: 'one',
          rackId: 'r',
          memberEpoch: 1,
          clientId: 'kit',
          clientHost: groups[0]?.members[0]?.clientHost,
          subscribedTopicNames: ['shop.orders'],
          subscribedTopicRegex: 'x.*',
          assignment: named,
          targetAssignment: named,
          memberType: version === 0 ? -1 : 1,
        },
      ],
      authorizedOperations: -2_147_483_648,
    });
    assert.deepEqual([groups[1]?.errorCode, groups[1]?.groupId], [69, 'absent']);
  }
  const listed = { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'consumer' };
  const list = async (request: object) => (await client.call(listGroups, 5, request)).groups;
  assert.deepEqual(await list({}), [listed]);
  assert.deepEqual(await list({ typesFilter: ['Consumer'], statesFilter: ['STABLE'] }), [listed]);
  assert.deepEqual(await list({ typesFilter: ['classic'] }), []);
  assert.deepEqual(await list({ statesFilter: ['Empty'] }), []);
  const classic = await client.call(describeGroups, 6, { groups: ['g'] });
  assert.deepEqual([classic.groups[0]?.errorCode, classic.groups[0]?.groupState], [69, 'Dead']);
  assert.equal((await client.call(deleteGroups, 2, { groupsNames: ['g'] })).results[0]?.errorCode, 68);
  const stranger = await client.call(leaveGroup, 5, { groupId: 'g', members: [{ memberId: MEMBER }] });
  assert.equal(stranger.members[0]?.errorCode, 25);
  const left = await client.call(consumerGroupHeartbeat, 1, { ...plain, memberEpoch: -1 });
  assert.deepEqual([left.errorCode, left.memberEpoch], [0, -1]);
  assert.equal((await list({}))[0]?.groupState, 'Empty');
});

test('version 0 gives a member id', OPTIONS, async () => {
  await using kit = await KafkaKit.start();
  const { client } = await scene(kit);
  const answer = await client.call(consumerGroupHeartbeat, 0, {
    groupId: 'g',
    memberId: '',
    memberEpoch: 0,
    rebalanceTimeoutMs: 1_000,
    subscribedTopicNames: ['shop.orders'],
    topicPartitions: [],
  });
  assert.equal(answer.errorCode, 0);
  assert.match(answer.memberId ?? '', /^consumer-[0-9a-f]{32}$/);
});

test('refusals have Kafka’s codes and a message', OPTIONS, async () => {
  await using kit = await KafkaKit.start();
  const { client } = await scene(kit);
  const cases: readonly (readonly [object, number])[] = [
    [{ groupId: '' }, 24],
    [{ memberId: '' }, 42],
    [{ memberEpoch: -3 }, 42],
    [{ memberEpoch: 1 }, 69],
    [{ topicPartitions: [{ topicId: '0'.repeat(32), partitions: [0] }] }, 42],
    [{ subscribedTopicNames: null }, 42],
    [{ serverAssignor: 'sticky' }, 112],
    [{ subscribedTopicRegex: '(' }, 128],
    [{ subscribedTopicNames: ['x'.repeat(2_000_000)] }, 44],
  ];
  for (const [change, code] of cases) {
    const { errorCode, errorMessage } = await join(client, change);
    assert.equal(errorCode, code, JSON.stringify(change).slice(0, 100));
    assert.ok((errorMessage ?? '').length > 10);
  }
  assert.equal((await join(client)).errorCode, 0);
  assert.equal((await join(client, { memberEpoch: 5 })).errorCode, 110);
  assert.equal((await join(client, { memberId: 'other', memberEpoch: 1 })).errorCode, 25);
  assert.equal((await join(client, { memberId: 'static', instanceId: 'one' })).errorCode, 0);
  assert.equal((await join(client, { memberId: 'other', instanceId: 'one' })).errorCode, 111);
  assert.equal((await join(client, { memberId: 'other', instanceId: 'one', memberEpoch: 2 })).errorCode, 82);
});

test('offsets: member epochs from version 9 on, topics by id in version 10', OPTIONS, async () => {
  await using kit = await KafkaKit.start();
  const { client, topicId } = await scene(kit);
  await join(client);
  const commit = async (version: number, epoch: number, topic: object) => {
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: 'm' }];
    const answer = await client.call(offsetCommit, version, {
      groupId: 'g',
      generationIdOrMemberEpoch: epoch,
      memberId: MEMBER,
      topics: [{ ...topic, partitions }],
    });
    return answer.topics[0];
  };
  assert.equal((await commit(8, 1, { name: 'shop.orders' }))?.partitions[0]?.errorCode, 35);
  assert.equal((await commit(9, 0, { name: 'shop.orders' }))?.partitions[0]?.errorCode, 113);
  assert.equal((await commit(9, 1, { name: 'shop.orders' }))?.partitions[0]?.errorCode, 0);
  const byId = await commit(10, 1, { topicId });
  assert.deepEqual([byId?.topicId, byId?.partitions[0]?.errorCode], [topicId, 0]);
  const unknown = 'f'.repeat(32);
  assert.deepEqual((await commit(10, 1, { topicId: unknown }))?.partitions, [{ partitionIndex: 0, errorCode: 100 }]);

  const fetch = async (version: number, memberEpoch: number, topics: readonly object[] | null) => {
    const groups = [{ groupId: 'g', memberId: MEMBER, memberEpoch, topics }];
    return (await client.call(offsetFetch, version, { groups } as never)).groups[0];
  };
  const stored = { partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: -1, metadata: 'm', errorCode: 0 };
  const none = { partitionIndex: 3, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 100 };
  assert.deepEqual((await fetch(9, 1, [{ name: 'shop.orders', partitionIndexes: [0] }]))?.topics[0]?.partitions, [
    stored,
  ]);
  assert.equal((await fetch(9, 0, [{ name: 'shop.orders', partitionIndexes: [0] }]))?.errorCode, 113);
  const both = await fetch(10, 1, [
    { topicId: unknown, partitionIndexes: [3] },
    { topicId, partitionIndexes: [0] },
  ]);
  assert.deepEqual(
    both?.topics.map((topic) => [topic.topicId, topic.partitions]),
    [
      [unknown, [none]],
      [topicId, [stored]],
    ],
  );
  assert.deepEqual(
    (await fetch(10, 1, null))?.topics.map((topic) => [topic.topicId, topic.partitions]),
    [[topicId, [stored]]],
  );
});
