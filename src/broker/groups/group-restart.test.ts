/**
 * Proves on a real broker with real files: a restart disturbs no group, committed offsets are there, and a topic that was
 * deleted and made anew under its name inherits none, before and after the restart.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBroker } from '../../../test/kit/broker-kit.ts';
import { subscription } from '../../../test/kit/group-transcript.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import type { Broker } from '../broker.ts';
import type { Joined, JoinRequest } from './api.ts';

const DEADLINE = { timeout: 60_000 };

const JOIN: JoinRequest = {
  groupId: 'g',
  memberId: '',
  instanceId: null,
  clientId: 'c',
  clientHost: '127.0.0.1',
  sessionTimeoutMs: 30_000,
  rebalanceTimeoutMs: 30_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: subscription(['food.eggs']) }],
  requireKnownMemberId: false,
  supportsSkipAssignment: true,
};

/** One member, joined and synced. */
async function stableMember(broker: Broker): Promise<Joined> {
  const joined = await new Promise<Joined>((resolve, reject) => {
    broker.groups.join(JOIN, (answer) => {
      if (answer.error === undefined) resolve(answer);
      else reject(new Error(answer.error));
    });
  });
  const who = { groupId: 'g', memberId: joined.memberId, instanceId: null, generation: joined.generation };
  const assignments = [{ memberId: joined.memberId, assignment: Buffer.from('all') }];
  await new Promise<void>((resolve) => {
    broker.groups.sync({ ...who, protocolType: null, protocol: null, assignments }, (answer) => {
      assert.equal(answer.error, undefined);
      resolve();
    });
  });
  return joined;
}

async function committed(broker: Broker): Promise<number | undefined> {
  const topics = [{ topic: 'food.eggs', partitions: [1] }];
  const answer = await broker.groups.fetchOffsets({ groupId: 'g', topics });
  return answer.topics[0]?.partitions[0]?.offset;
}

test('a restart keeps members, generation, assignment and offsets', DEADLINE, async () => {
  using directory = new TempDirectory();
  let broker = await openBroker(directory.path);
  await broker.topics.create({ name: 'food/eggs', partitions: 2 });
  const { memberId, generation } = await stableMember(broker);
  const who = { groupId: 'g', memberId, instanceId: null, generation };
  const commit = (offset: number, partition: number): Promise<unknown> =>
    broker.groups
      .commitOffsets({
        ...who,
        retentionMs: -1,
        topics: [{ topic: 'food.eggs', partitions: [{ partition, offset, leaderEpoch: 0, metadata: 'note' }] }],
      })
      .then((answer) => answer.topics[0]?.partitions[0]?.error);
  assert.equal(await commit(7, 1), undefined);
  assert.equal(await commit(7, 2), 'BROKER_PARTITION_NOT_FOUND');

  for (let restart = 0; restart < 2; restart++) {
    await broker.close();
    broker = await openBroker(directory.path);
    assert.equal(broker.groups.heartbeat(who), undefined);
    assert.equal(await committed(broker), 7);
    const group = broker.groups.describe('g');
    assert.equal(group?.phase, 'stable');
    assert.equal(group?.generation, generation);
    assert.deepEqual(Buffer.from(group?.members[0]?.assignment ?? []).toString(), 'all');
  }

  const topic = broker.topics.find('food.eggs');
  assert(topic !== undefined);
  await broker.topics.delete(topic);
  await broker.topics.create({ name: 'food/eggs', partitions: 2 });
  assert.equal(await committed(broker), -1);
  await broker.close();
  broker = await openBroker(directory.path);
  assert.equal(await committed(broker), -1);
  assert.equal(broker.groups.heartbeat(who), undefined);
  await broker.close();
});

test('closing a broker answers those who wait, and leaves no process hanging', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  await stableMember(broker);
  const answer = new Promise((resolve) => {
    broker.groups.join({ ...JOIN, clientId: 'second' }, (given) => resolve(given.error));
  });
  await broker.close();
  assert.equal(await answer, 'BROKER_COORDINATOR_UNAVAILABLE');
  assert.equal(
    broker.groups.heartbeat({ groupId: 'g', memberId: 'x', instanceId: null, generation: 1 }),
    'BROKER_COORDINATOR_UNAVAILABLE',
  );
});
