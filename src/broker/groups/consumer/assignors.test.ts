/**
 * Proves of both assignors, with random members, subscriptions and histories: every partition of a topic that anybody is
 * subscribed to has exactly one owner, who is subscribed. Of `uniform`: no move of one partition makes counts more equal,
 * and with equal subscriptions nobody loses more than the counts demand. Of `range`: consecutive, and topics line up.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../../test/kit/properties.ts';
import { ASSIGNORS, type Assignee, electAssignor } from './assignors.ts';
import { hasPartition, NO_PARTITIONS, type PartitionSet } from './partition-set.ts';

const { uniform, range } = ASSIGNORS as Record<'uniform' | 'range', (typeof ASSIGNORS)[string]>;

function assignee(memberId: string, topics: Iterable<string>, current: PartitionSet = NO_PARTITIONS): Assignee {
  return { memberId, instanceId: null, topics: new Set(topics), current };
}

function countPartitions(set: PartitionSet): number {
  return [...set.values()].reduce((sum, partitions) => sum + partitions.length, 0);
}

/** How many of the partitions a member had it keeps. */
function keptCount(before: PartitionSet, after: PartitionSet): number {
  let kept = 0;
  for (const [topicId, partitions] of before) {
    for (const partition of partitions) if (hasPartition(after, topicId, partition)) kept += 1;
  }
  return kept;
}

function show(result: ReadonlyMap<string, PartitionSet>): Record<string, string> {
  return Object.fromEntries(
    Array.from(result, ([memberId, set]) => [
      memberId,
      Array.from(set, ([topicId, partitions]) => `${topicId}:${partitions.join(',')}`).join(' '),
    ]),
  );
}

test('range: consecutive ranges, the first members get one more, equal topics line up', () => {
  const members = ['c', 'a', 'b'].map((id) => assignee(id, ['t', 'u']));
  assert.deepEqual(
    show(
      range(
        members,
        new Map([
          ['t', 4],
          ['u', 4],
        ]),
      ),
    ),
    {
      a: 't:0,1 u:0,1',
      b: 't:2 u:2',
      c: 't:3 u:3',
    },
  );
  const [first, second] = members as [Assignee, Assignee, Assignee];
  assert.deepEqual(show(range([{ ...first, instanceId: '0' }, second], new Map([['t', 3]]))), { a: 't:2', c: 't:0,1' });
  assert.deepEqual(show(range([assignee('a', []), assignee('b', ['t'])], new Map([['t', 2]]))), { a: '', b: 't:0,1' });
});

test('uniform: a newcomer gets its part from all alike, a leaver leaves its part to all alike', () => {
  const topics = new Map([['t', 12]]);
  const three = uniform(
    ['a', 'b', 'c'].map((id) => assignee(id, ['t'])),
    topics,
  );
  assert.deepEqual([...three.values()].map(countPartitions), [4, 4, 4]);
  const four = uniform(
    ['a', 'b', 'c', 'd'].map((id) => assignee(id, ['t'], three.get(id))),
    topics,
  );
  assert.deepEqual([...four.values()].map(countPartitions), [3, 3, 3, 3]);
  for (const id of ['a', 'b', 'c'])
    assert.equal(keptCount(three.get(id) as PartitionSet, four.get(id) as PartitionSet), 3);
  const back = uniform(
    ['a', 'c', 'd'].map((id) => assignee(id, ['t'], four.get(id))),
    topics,
  );
  assert.deepEqual([...back.values()].map(countPartitions), [4, 4, 4]);
  for (const id of ['a', 'c', 'd'])
    assert.equal(keptCount(four.get(id) as PartitionSet, back.get(id) as PartitionSet), 3);
});

test('uniform: unequal subscriptions are levelled as far as they allow', () => {
  const topics = new Map([
    ['t', 6],
    ['u', 6],
  ]);
  const members = [assignee('a', ['t', 'u']), assignee('b', ['t']), assignee('c', ['t'])];
  assert.deepEqual(show(uniform(members, topics)), { a: 'u:0,1,2,3,4,5', b: 't:0,2,4', c: 't:1,3,5' });
});

const TOPICS = ['t', 'u', 'v', 'w'];
const topicCounts = fc
  .array(fc.integer({ min: 0, max: 12 }), { minLength: 4, maxLength: 4 })
  .map((counts) => new Map(TOPICS.map((topic, i) => [topic, counts[i] as number])));
const subscriptions = fc.array(fc.subarray(TOPICS), { minLength: 1, maxLength: 9 });

function checkOwners(
  members: readonly Assignee[],
  topics: ReadonlyMap<string, number>,
  result: Map<string, PartitionSet>,
) {
  assert.deepEqual([...result.keys()].sort(), members.map(({ memberId }) => memberId).sort());
  for (const [topicId, count] of topics) {
    const isWanted = members.some((member) => member.topics.has(topicId));
    for (let partition = 0; partition < count; partition++) {
      const owners = members.filter(({ memberId }) =>
        hasPartition(result.get(memberId) as PartitionSet, topicId, partition),
      );
      assert.equal(owners.length, isWanted ? 1 : 0, `${topicId}/${partition}`);
      assert.ok(owners.every((owner) => owner.topics.has(topicId)));
    }
    for (const set of result.values()) assert.ok((set.get(topicId) ?? []).every((partition) => partition < count));
  }
}

test('every partition has one subscribed owner; uniform cannot be made more equal, whatever was before', () => {
  const rounds = fc.array(fc.tuple(topicCounts, subscriptions), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(rounds, (history) => {
      let current = new Map<string, PartitionSet>();
      for (const [topics, wishes] of history) {
        const members = wishes.map((wish, i) => assignee(`m${i}`, wish, current.get(`m${i}`)));
        checkOwners(members, topics, range(members, topics));
        const result = uniform(members, topics);
        checkOwners(members, topics, result);
        const count = ({ memberId }: Assignee) => countPartitions(result.get(memberId) as PartitionSet);
        for (const from of members) {
          for (const to of members) {
            const shared = [...(result.get(from.memberId) as PartitionSet).keys()].some((topic) =>
              to.topics.has(topic),
            );
            if (shared) assert.ok(count(from) <= count(to) + 1, `${from.memberId} could give to ${to.memberId}`);
          }
        }
        current = result;
      }
    }),
  );
});

test('uniform with equal subscriptions keeps all that equal counts allow', () => {
  const size = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(size, size, fc.integer({ min: 0, max: 60 }), (before, after, partitions) => {
      const topics = new Map([['t', partitions]]);
      const first = uniform(
        Array.from({ length: before }, (_, i) => assignee(`m${i}`, ['t'])),
        topics,
      );
      const members = Array.from({ length: after }, (_, i) => assignee(`m${i}`, ['t'], first.get(`m${i}`)));
      const second = uniform(members, topics);
      for (const { memberId } of members) {
        const had = first.get(memberId) ?? NO_PARTITIONS;
        const share = Math.floor(partitions / after);
        assert.ok(keptCount(had, second.get(memberId) as PartitionSet) >= Math.min(countPartitions(had), share));
      }
    }),
  );
});

test('100 members over 1,000 partitions, and 1,000 over 10,000, are assigned at once', { timeout: 20_000 }, () => {
  for (const [count, partitions] of [
    [100, 1_000],
    [1_000, 10_000],
  ] as const) {
    const topics = new Map([['t', partitions]]);
    const members = Array.from({ length: count }, (_, i) => assignee(`m${i}`, ['t']));
    const first = uniform(members, topics);
    const grown = [...members, assignee('new', ['t'])].map((m) => ({
      ...m,
      current: first.get(m.memberId) ?? NO_PARTITIONS,
    }));
    checkOwnersQuick(uniform(grown, topics), partitions);
  }
});

function checkOwnersQuick(result: Map<string, PartitionSet>, partitions: number): void {
  const all = [...result.values()].flatMap((set) => set.get('t') ?? []);
  assert.equal(all.length, partitions);
  assert.equal(new Set(all).size, partitions);
}

test('the assignor that most members name wins', () => {
  assert.equal(electAssignor([]), 'uniform');
  assert.equal(electAssignor([null, null]), 'uniform');
  assert.equal(electAssignor([null, 'range']), 'range');
  assert.equal(electAssignor(['range', 'uniform', 'uniform']), 'uniform');
  assert.equal(electAssignor(['range', 'uniform']), 'range');
});
