/**
 * Proves what the smaller admin APIs answer, through a real connection and a real broker: log directories, pages of
 * partitions, elections, access rules that do not exist, leader epochs. With raw requests for what real clients cannot
 * be made to send, and with @platformatic/kafka for what they make of the answers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '@platformatic/kafka';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit } from '../../../test/kit/kafka-kit.ts';
import {
  createAcls,
  deleteAcls,
  describeAcls,
  describeLogDirs,
  describeTopicPartitions,
  ERROR_CODES,
  electLeaders,
  fetch,
  listOffsets,
  offsetForLeaderEpoch,
} from '../../wire/index.ts';

const DEADLINE = { timeout: 60_000 };

test('DescribeLogDirs: sizes of what is readable, all or those asked for', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const topic = await kit.broker.topics.create({ name: 'sized', partitions: 2 });
  await kit.broker.topics.create({ name: 'food/eggs' });
  const batch = batchOf(['a', 'b', 'c']);
  for (let i = 0; i < 3; i++) assert.equal((await client.produce('sized', 1, batch)).errorCode, 0);
  const ask = async (version: number, topics: { topic: string; partitions: number[] }[] | null) => {
    const answer = await client.call(describeLogDirs, version, { topics });
    assert.equal(answer.errorCode, 0);
    assert.equal(answer.results.length, 1);
    const directory = answer.results[0];
    assert.equal(directory?.logDir, kit.broker.directory);
    if (version >= 4) {
      assert.ok(directory !== undefined);
      const { totalBytes, usableBytes } = directory;
      assert.ok(usableBytes > 0 && totalBytes >= usableBytes, `${usableBytes} of ${totalBytes}`);
    }
    return directory?.topics.map(({ name, partitions }) => [
      name,
      partitions.map(({ partitionIndex, partitionSize }) => [partitionIndex, partitionSize]),
    ]);
  };
  for (const version of [1, 2, 3, 4]) {
    assert.deepEqual(await ask(version, null), [
      [
        'sized',
        [
          [0, 0],
          [1, 3 * batch.length],
        ],
      ],
      ['food.eggs', [[0, 0]]],
    ]);
    assert.deepEqual(
      await ask(version, [
        { topic: 'sized', partitions: [1, 7, 1] },
        { topic: 'nosuch', partitions: [0] },
        { topic: 'food/eggs', partitions: [0] },
        { topic: 'sized', partitions: [0] },
      ]),
      [
        ['sized', [[1, 3 * batch.length]]],
        ['food/eggs', [[0, 0]]],
      ],
    );
    assert.deepEqual(await ask(version, []), []);
  }
  const partition = topic.partitions[1];
  assert.ok(partition !== undefined);
  await kit.broker.deleteRecords(partition, 9);
  assert.equal(partition.sizeBytes, 0);
});

test('DescribeTopicPartitions: pages in the order of names, each partition once', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  for (const [name, partitions] of [
    ['b', 3],
    ['a', 2],
    ['c', 1],
    ['d', 4],
  ] as const) {
    await kit.broker.topics.create({ name, partitions });
  }
  const ask = async (
    names: string[],
    responsePartitionLimit: number,
    cursor: { topicName: string; partitionIndex: number } | null = null,
  ) => {
    const topics = names.map((name) => ({ name }));
    return await client.call(describeTopicPartitions, 0, { topics, responsePartitionLimit, cursor });
  };
  for (const limit of [1, 2, 3, 4, 5, 9, 10, 2000]) {
    const seen: string[] = [];
    let pages = 0;
    let cursor: { topicName: string; partitionIndex: number } | null = null;
    do {
      const answer: Awaited<ReturnType<typeof ask>> = await ask([], limit, cursor);
      const before = seen.length;
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex } of partitions) seen.push(`${name}${partitionIndex}`);
      }
      assert.ok(seen.length - before <= limit, 'no page is longer than the limit');
      cursor = answer.nextCursor;
      pages += 1;
    } while (cursor !== null && pages < 100);
    assert.deepEqual(seen, ['a0', 'a1', 'b0', 'b1', 'b2', 'c0', 'd0', 'd1', 'd2', 'd3'], `limit ${limit}`);
    assert.equal(pages, Math.ceil(10 / limit));
  }
  const whole = await ask(['c', 'nosuch', 'not a name', 'c'], 0);
  assert.deepEqual(
    whole.topics.map(({ name, errorCode, partitions }) => [name, errorCode, partitions.length]),
    [
      ['c', 0, 1],
      ['nosuch', 3, 0],
      ['not a name', 17, 0],
    ],
  );
  const first = whole.topics[0];
  assert.equal(first?.topicId, kit.broker.topics.find('c')?.id);
  assert.deepEqual(
    [first?.partitions[0]?.leaderId, first?.partitions[0]?.isrNodes, first?.partitions[0]?.offlineReplicas],
    [1, [1], []],
  );
  // A cursor must lie in what is asked for.
  assert.equal((await ask(['a'], 10, { topicName: 'b', partitionIndex: 0 })).topics[0]?.errorCode, 42);
  assert.equal((await ask(['a'], 10, { topicName: 'a', partitionIndex: -1 })).topics[0]?.errorCode, 42);
  // Topics made or deleted between two pages do not break them.
  const after = await ask([], 10, { topicName: 'bb', partitionIndex: 5 });
  assert.deepEqual(
    after.topics.map(({ name }) => name),
    ['c', 'd'],
  );
});

test('ElectLeaders: no election is needed, and Kafka says so in three ways', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'led', partitions: 2 });
  for (const version of [0, 1, 2]) {
    assert.deepEqual((await client.call(electLeaders, version, { topicPartitions: null })).replicaElectionResults, []);
    const topicPartitions = [
      { topic: 'led', partitions: [0, 5, 0] },
      { topic: 'nosuch', partitions: [0] },
    ];
    const answer = await client.call(electLeaders, version, { topicPartitions });
    assert.equal(answer.errorCode, 0);
    assert.deepEqual(
      answer.replicaElectionResults.map(({ topic, partitionResult }) => [
        topic,
        partitionResult.map(({ partitionId, errorCode }) => [partitionId, errorCode]),
      ]),
      [
        [
          'led',
          [
            [0, 84],
            [5, 3],
          ],
        ],
        ['nosuch', [[0, 3]]],
      ],
    );
  }
  const unclean = { electionType: 1, topicPartitions: [{ topic: 'led', partitions: [1] }] };
  const answer = await client.call(electLeaders, 2, unclean);
  assert.equal(answer.replicaElectionResults[0]?.partitionResult[0]?.errorCode, 84);
  for (const electionType of [2, -1]) {
    assert.equal((await client.call(electLeaders, 1, { electionType, topicPartitions: null })).errorCode, 42);
  }
});

test('access rules do not exist: every call is answered with SECURITY_DISABLED', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const rule = { principal: 'User:a', host: '*', operation: 3, permissionType: 3 };
  const filter = { resourceTypeFilter: 1, resourceNameFilter: null, principalFilter: null, hostFilter: null };
  for (const version of [1, 2, 3]) {
    const found = await client.call(describeAcls, version, { ...filter, operation: 1, permissionType: 1 });
    assert.deepEqual([found.errorCode, found.resources], [ERROR_CODES.SECURITY_DISABLED, []]);
    assert.ok((found.errorMessage?.length ?? 0) > 20);
    const creations = [1, 2].map((resourceType) => ({ resourceType, resourceName: 'x', ...rule }));
    const created = await client.call(createAcls, version, { creations });
    assert.deepEqual(
      created.results.map(({ errorCode }) => errorCode),
      [54, 54],
    );
    const deleted = await client.call(deleteAcls, version, {
      filters: [{ ...filter, operation: 1, permissionType: 1 }],
    });
    assert.deepEqual(
      deleted.filterResults.map(({ errorCode, matchingAcls }) => [errorCode, matchingAcls.length]),
      [[54, 0]],
    );
  }
});

test('leader epochs: none, ours, one behind and one ahead, in every API that has them', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'led' });
  await client.produce('led', 0, batchOf(['a']));
  for (const [currentLeaderEpoch, expected] of [
    [-1, 0],
    [0, 0],
    [1, 75],
    [-2, 74],
  ] as const) {
    const epoch = await client.call(offsetForLeaderEpoch, 4, {
      topics: [{ topic: 'led', partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch: 0 }] }],
    });
    const end = epoch.topics[0]?.partitions[0];
    assert.deepEqual(
      [end?.errorCode, end?.leaderEpoch, end?.endOffset],
      expected === 0 ? [0, 0, 1] : [expected, -1, -1],
    );
    const listed = await client.call(listOffsets, 5, {
      topics: [{ name: 'led', partitions: [{ partitionIndex: 0, currentLeaderEpoch, timestamp: -1 }] }],
    });
    assert.equal(listed.topics[0]?.partitions[0]?.errorCode, expected);
    const partitions = [{ partition: 0, currentLeaderEpoch, fetchOffset: 0, partitionMaxBytes: 100 }];
    const fetched = await client.call(fetch, 9, { maxWaitMs: 0, minBytes: 0, topics: [{ topic: 'led', partitions }] });
    assert.equal(fetched.responses[0]?.partitions[0]?.errorCode, expected);
  }
  for (const leaderEpoch of [-1, 1, 2_000_000]) {
    const epoch = await client.call(offsetForLeaderEpoch, 2, {
      topics: [{ topic: 'led', partitions: [{ partition: 0, leaderEpoch }] }],
    });
    const end = epoch.topics[0]?.partitions[0];
    assert.deepEqual([end?.errorCode, end?.leaderEpoch, end?.endOffset], [0, -1, -1]);
  }
});

test('@platformatic/kafka: log directories and access rules as its admin sees them', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'seen', partitions: 2 });
  const { host, port } = kit.listener.address;
  const admin = new Admin({ clientId: 'admin', bootstrapBrokers: [`${host}:${port}`] });
  try {
    const directories = await admin.describeLogDirs({ topics: [{ name: 'seen', partitions: [0, 1] }] });
    const topics = directories[0]?.results[0]?.topics;
    assert.deepEqual(
      topics?.map(({ name, partitions }) => [name, partitions.length]),
      [['seen', 2]],
    );
    await assert.rejects(
      admin.describeAcls({
        filter: {
          resourceType: 1,
          resourceName: null,
          resourcePatternType: 1,
          principal: null,
          host: null,
          operation: 1,
          permissionType: 1,
        },
      }),
      (error: Error) => flat(error).includes('SECURITY_DISABLED'),
    );
  } finally {
    await admin.close();
  }
});

/** Names of all errors below an aggregate. */
function flat(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { errors, apiId, cause } = error as { errors?: unknown[]; apiId?: string; cause?: unknown };
  return [apiId ?? '', ...(errors ?? []).map(flat), flat(cause)].join(' ');
}
