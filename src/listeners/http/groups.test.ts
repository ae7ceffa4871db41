/** Proves the group routes over a real broker: list, describe, offsets read, stored, reset and removed, every refusal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscription } from '../../../test/kit/group-transcript.ts';
import { HttpKit } from '../../../test/kit/http-kit.ts';
import type { Broker } from '../../broker/broker.ts';
import type { JoinAnswer, JoinRequest } from '../../broker/groups/api.ts';

const OPTIONS = { timeout: 60_000 } as const;

/** A topic of two partitions with `count` records each, one a second from 1,000,000 s on. */
async function topicOf(kit: HttpKit, name: string, count = 10): Promise<void> {
  await kit.post('/v1/topics', { name, partitions: 2 });
  for (const partition of [0, 1]) {
    const records = Array.from({ length: count }, (_, i) => ({
      value: i,
      partition,
      timestamp: 1_000_000_000 + i * 1000,
    }));
    const answer = await kit.post(`/v1/topics/${name}/records`, records);
    assert.equal(answer.status, 200, answer.text);
  }
}

/** A classic member with partition 1 of "a.b"; the group is stable when this resolves. */
async function member(broker: Broker, groupId: string): Promise<string> {
  const request: JoinRequest = {
    groupId,
    memberId: '',
    instanceId: 'instance',
    clientId: 'client',
    clientHost: '127.0.0.1',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription(['a.b']) }],
    requireKnownMemberId: true,
    supportsSkipAssignment: true,
  };
  const joined = await new Promise<JoinAnswer>((resolve) => broker.groups.join(request, resolve));
  assert.ok(joined.error === undefined);
  const { memberId, generation, protocolType, protocol } = joined;
  const assignment = Buffer.from('0000000000010003612e620000000100000001ffffffff', 'hex');
  await new Promise((resolve) =>
    broker.groups.sync(
      {
        groupId,
        memberId,
        instanceId: 'instance',
        generation,
        protocolType,
        protocol,
        assignments: [{ memberId, assignment }],
      },
      resolve,
    ),
  );
  return memberId;
}

test('a group of offsets: stored, shown with lag, listed, removed', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await topicOf(kit, 'a.b');
  const stored = await kit.post('/v1/groups/my%2Fgroup/offsets', {
    offsets: [
      { topic: 'a/b', partition: 1, offset: 4, metadata: 'note' },
      { topic: 'a/b', partition: 0, offset: 10 },
    ],
  });
  const offsets = [
    {
      topic: 'a.b',
      partition: 0,
      offset: 10,
      leaderEpoch: -1,
      metadata: '',
      logStartOffset: 0,
      highWatermark: 10,
      lag: 0,
    },
    {
      topic: 'a.b',
      partition: 1,
      offset: 4,
      leaderEpoch: -1,
      metadata: 'note',
      logStartOffset: 0,
      highWatermark: 10,
      lag: 6,
    },
  ];
  assert.deepEqual([stored.status, stored.json], [200, { group: 'my/group', offsets }]);
  assert.deepEqual((await kit.get('/v1/groups/my%2Fgroup/offsets')).json, { group: 'my/group', offsets });
  assert.deepEqual((await kit.get('/v1/groups/my%2Fgroup')).json, {
    group: 'my/group',
    type: 'classic',
    state: 'empty',
    protocolType: '',
    epoch: 0,
    assignor: null,
    leader: null,
    members: [],
  });
  assert.deepEqual((await kit.get('/v1/groups')).json, {
    groups: [{ group: 'my/group', type: 'classic', state: 'empty', protocolType: '' }],
    nextCursor: null,
  });
  const removed = await kit.call('DELETE', '/v1/groups/my%2Fgroup/offsets?topic=a/b&partition=1');
  assert.deepEqual(removed.json, { group: 'my/group', deleted: [{ topic: 'a.b', partition: 1 }] });
  assert.equal((await kit.get('/v1/groups/my%2Fgroup/offsets')).json.offsets.length, 1);
  const deleted = await kit.call('DELETE', '/v1/groups/my%2Fgroup');
  assert.deepEqual([deleted.status, deleted.text], [204, '']);
  await kit.refused([404, 'BROKER_GROUP_NOT_FOUND'], 'DELETE', '/v1/groups/my%2Fgroup');
  await kit.refused([404, 'BROKER_GROUP_NOT_FOUND'], 'GET', '/v1/groups/my%2Fgroup');
  await kit.refused([404, 'BROKER_GROUP_NOT_FOUND'], 'GET', '/v1/groups/my%2Fgroup/offsets');
});

test('lists come in pages, by prefix, in order', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await topicOf(kit, 't', 0);
  for (const group of ['b', 'a/2', 'a/1', 'ä', 'a/3']) {
    await kit.post(`/v1/groups/${encodeURIComponent(group)}/offsets`, {
      offsets: [{ topic: 't', partition: 0, offset: 0 }],
    });
  }
  const page = (query: string) => kit.get(`/v1/groups?${query}`);
  const first = await page('prefix=a/&limit=2');
  const names = (answer: Awaited<ReturnType<typeof page>>) =>
    answer.json.groups.map((each: { group: string }) => each.group);
  assert.deepEqual(names(first), ['a/1', 'a/2']);
  const second = await page(`prefix=a/&limit=2&cursor=${first.json.nextCursor}`);
  assert.deepEqual([names(second), second.json.nextCursor], [['a/3'], null]);
  assert.deepEqual(names(await page('limit=1000')), ['a/1', 'a/2', 'a/3', 'b', 'ä']);
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/groups?cursor=%21');
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/groups?cursor=A');
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/groups?limit=0');
});

test('offsets are reset to every kind of place; a dry run changes nothing', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await topicOf(kit, 'a.b');
  await kit.call('DELETE', '/v1/topics/a.b/records?before=2&partition=0');
  const offsets = [{ topic: 'a.b', partition: 0, offset: 5 }];
  await kit.post('/v1/groups/g/offsets', { offsets });
  const reset = async (body: object) => {
    const answer = await kit.post('/v1/groups/g/offsets/reset', { dryRun: true, ...body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.offsets.map(
      (each: { partition: number; before: number | null; after: number; clamped: boolean }) =>
        [each.partition, each.before ?? '', each.after, each.clamped].join(' '),
    );
  };
  assert.deepEqual(await reset({ to: 'earliest' }), ['0 5 2 false']);
  assert.deepEqual(await reset({ to: 'latest' }), ['0 5 10 false']);
  assert.deepEqual(await reset({ to: 'offset', value: 7 }), ['0 5 7 false']);
  assert.deepEqual(await reset({ to: 'offset', value: 0 }), ['0 5 2 true']);
  assert.deepEqual(await reset({ to: 'offset', value: 99 }), ['0 5 10 true']);
  assert.deepEqual(await reset({ to: 'shift', value: -2 }), ['0 5 3 false']);
  assert.deepEqual(await reset({ to: 'shift', value: 4 }), ['0 5 9 false']);
  assert.deepEqual(await reset({ to: 'shift', value: -50 }), ['0 5 2 true']);
  assert.deepEqual(await reset({ to: 'timestamp', value: 1_000_003_500 }), ['0 5 4 false']);
  assert.deepEqual(await reset({ to: 'timestamp', value: '1970-01-12T13:46:44Z' }), ['0 5 4 false']);
  assert.deepEqual(await reset({ to: 'timestamp', value: 2_000_000_000 }), ['0 5 10 false']);
  assert.deepEqual(await reset({ to: 'duration', value: 3_600_000 }), ['0 5 10 false']);
  assert.deepEqual(await reset({ to: 'duration', value: 9e15 }), ['0 5 2 false']);
  const topics = [{ topic: 'a/b' }];
  assert.deepEqual(await reset({ to: 'earliest', topics }), ['0 5 2 false', '1  0 false']);
  assert.deepEqual(await reset({ to: 'shift', value: 1, topics: [{ topic: 'a/b', partitions: [1, 1] }] }), [
    '1  1 false',
  ]);
  assert.equal((await kit.get('/v1/groups/g/offsets')).json.offsets[0].offset, 5);
  assert.deepEqual(await reset({ to: 'latest', topics, dryRun: false }), ['0 5 10 false', '1  10 false']);
  const after = (await kit.get('/v1/groups/g/offsets')).json.offsets;
  assert.deepEqual(
    after.map((each: { offset: number }) => each.offset),
    [10, 10],
  );
});

test('a group with members is shown with who has what, and nobody moves its offsets', OPTIONS, async () => {
  await using kit = await HttpKit.start({ broker: { groupInitialRebalanceDelayMs: 0 } });
  await topicOf(kit, 'a.b');
  const memberId = await member(kit.broker, 'g');
  await kit.broker.groups.commitOffsets({
    groupId: 'g',
    memberId,
    instanceId: 'instance',
    generation: 1,
    retentionMs: -1,
    topics: [{ topic: 'a.b', partitions: [{ partition: 1, offset: 3, leaderEpoch: 0, metadata: null }] }],
  });
  assert.deepEqual((await kit.get('/v1/groups/g')).json, {
    group: 'g',
    type: 'classic',
    state: 'stable',
    protocolType: 'consumer',
    epoch: 1,
    assignor: 'range',
    leader: memberId,
    members: [
      {
        memberId,
        instanceId: 'instance',
        clientId: 'client',
        clientHost: '127.0.0.1',
        epoch: 1,
        assignment: [{ topic: 'a.b', partitions: [1] }],
      },
    ],
  });
  const offsets = [{ topic: 'a.b', partition: 0, offset: 1 }];
  const refusal = [409, 'BROKER_GROUP_NOT_EMPTY'] as const;
  await kit.refused(refusal, 'POST', '/v1/groups/g/offsets', { body: { offsets } });
  await kit.refused(refusal, 'POST', '/v1/groups/g/offsets/reset', {
    body: { to: 'latest', topics: [{ topic: 'a.b' }] },
  });
  await kit.refused(refusal, 'DELETE', '/v1/groups/g');
  await kit.refused([409, 'BROKER_GROUP_SUBSCRIBED'], 'DELETE', '/v1/groups/g/offsets?topic=a.b');
  const dry = { to: 'latest', topics: [{ topic: 'a.b' }], dryRun: true };
  assert.equal((await kit.post('/v1/groups/g/offsets/reset', dry)).status, 200);
});

function offset(change: object): object {
  return { offsets: [{ topic: 't', partition: 0, offset: 0, ...change }] };
}

test('refusals', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await topicOf(kit, 't', 1);
  const invalid = [400, 'HTTP_REQUEST_INVALID'] as const;
  const bodies: readonly [object, readonly [number, string]][] = [
    [{}, invalid],
    [{ to: 'yesterday' }, invalid],
    [{ to: 'latest', value: 1 }, invalid],
    [{ to: 'offset' }, invalid],
    [{ to: 'offset', value: -1 }, invalid],
    [{ to: 'offset', value: '1' }, invalid],
    [{ to: 'shift', value: 'a' }, invalid],
    [{ to: 'duration', value: -1 }, invalid],
    [{ to: 'timestamp', value: 'yesterday' }, invalid],
    [{ to: 'timestamp' }, invalid],
    [{ to: 'latest', topics: [{ topic: 't', partitions: [-1] }] }, invalid],
    [{ to: 'latest', topics: [{ topic: 't', partitions: [2] }] }, [404, 'BROKER_PARTITION_NOT_FOUND']],
    [{ to: 'latest', topics: [{ topic: 'absent' }] }, [404, 'BROKER_TOPIC_NOT_FOUND']],
    [{ to: 'latest' }, [404, 'BROKER_GROUP_NOT_FOUND']],
  ];
  for (const [body, expected] of bodies) {
    await kit.refused(expected, 'POST', '/v1/groups/g/offsets/reset', { body });
  }
  const commits: readonly [object, readonly [number, string]][] = [
    [{ offsets: {} }, invalid],
    [offset({ offset: -1 }), invalid],
    [offset({ offset: 0.5 }), invalid],
    [offset({ other: 1 }), invalid],
    [offset({ partition: 2 }), [404, 'BROKER_PARTITION_NOT_FOUND']],
    [offset({ topic: 'absent' }), [404, 'BROKER_TOPIC_NOT_FOUND']],
    [offset({ topic: 'a//b' }), [400, 'MODEL_TOPIC_NAME_INVALID']],
    [offset({ metadata: 'x'.repeat(5_000) }), [413, 'BROKER_OFFSET_METADATA_TOO_LARGE']],
  ];
  for (const [body, expected] of commits) await kit.refused(expected, 'POST', '/v1/groups/g/offsets', { body });
  const long = 'g'.repeat(1_025);
  await kit.refused([400, 'BROKER_GROUP_ID_INVALID'], 'POST', `/v1/groups/${long}/offsets`, { body: offset({}) });
  await kit.refused(invalid, 'DELETE', '/v1/groups/g/offsets');
  await kit.refused([404, 'BROKER_GROUP_NOT_FOUND'], 'DELETE', '/v1/groups/g/offsets?topic=t');
  await kit.refused([405, 'HTTP_METHOD_NOT_ALLOWED'], 'PUT', '/v1/groups/g');
  assert.deepEqual((await kit.get('/v1/groups')).json.groups, []);
});
