/**
 * Proves: the worked example's bytes, that a change read is the change written, that a group made from its whole is the
 * group, and that damaged bytes are refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../../test/kit/properties.ts';
import { MillraceError } from '../../../base/errors.ts';
import { decodeGroupChange, encodeGroupChange, wholeGroup } from './consumer-commands.ts';
import { ConsumerGroup, type GroupChange, type MemberChange } from './consumer-group.ts';
import { type PartitionSet, partitionSet } from './partition-set.ts';

const EXAMPLE = '0100000001670000000200000001000000000000000100000001750000000001000000016d00000000';

const PLAIN = { noNullPrototype: true } as const;
const topicId = fc.constantFrom('0'.repeat(31) + '1', 'f'.repeat(32), '0123456789abcdef'.repeat(2));
const set: fc.Arbitrary<PartitionSet> = fc
  .array(fc.record({ topicId, partitions: fc.array(fc.nat({ max: 9 }), { maxLength: 4 }) }), { maxLength: 3 })
  .map(partitionSet);
const nullable = fc.option(fc.string({ maxLength: 5 }), { nil: null });
const subscription = fc.record(
  {
    instanceId: nullable,
    rackId: nullable,
    clientId: fc.string({ maxLength: 5 }),
    clientHost: fc.string({ maxLength: 5 }),
    rebalanceTimeoutMs: fc.nat(),
    topics: fc.array(fc.string({ maxLength: 5 }), { maxLength: 3 }),
    regex: nullable,
    assignor: nullable,
  },
  PLAIN,
);
const progress = fc.record(
  {
    epoch: fc.integer({ min: -2, max: 0x7fff_ffff }),
    previousEpoch: fc.integer({ min: -2, max: 0x7fff_ffff }),
    state: fc.constantFrom('stable' as const, 'revoking' as const, 'waiting' as const),
    assigned: set,
    revoking: set,
  },
  PLAIN,
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const member: fc.Arbitrary<MemberChange> = fc.record(
  {
    memberId: fc.string({ maxLength: 5 }),
    subscription: optional(subscription),
    progress: optional(progress),
    target: optional(set),
  },
  PLAIN,
);
const change: fc.Arbitrary<GroupChange> = fc.record(
  {
    groupId: fc.string({ maxLength: 5 }),
    epoch: fc.nat(),
    targetEpoch: fc.nat(),
    at: fc.nat(),
    assignor: fc.constantFrom('', 'uniform', 'range'),
    topics: optional(fc.array(fc.tuple(topicId, fc.nat({ max: 9 })), { maxLength: 3 }).map((pairs) => new Map(pairs))),
    removed: fc.array(fc.string({ maxLength: 5 }), { maxLength: 3 }),
    members: fc.array(member, { maxLength: 4 }),
  },
  PLAIN,
);

test('the worked example', () => {
  const example: GroupChange = {
    groupId: 'g',
    epoch: 2,
    targetEpoch: 1,
    at: 1,
    assignor: 'u',
    topics: undefined,
    removed: ['m'],
    members: [],
  };
  assert.equal(Buffer.from(encodeGroupChange(example)).toString('hex'), EXAMPLE);
  assert.deepEqual(decodeGroupChange(Buffer.from(EXAMPLE, 'hex')), example);
});

test('what was written is read', () => {
  fc.assert(
    fc.property(change, (value) => {
      assert.deepEqual(decodeGroupChange(encodeGroupChange(value)), value);
    }),
  );
});

test('a group made from its whole is the group; its size is that of its members', () => {
  const whole = member.filter((each) => each.subscription !== undefined && each.progress !== undefined);
  const changes = fc.array(
    fc.tuple(change, fc.array(whole, { maxLength: 3 })).map(([each, members]) => ({ ...each, groupId: 'g', members })),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(changes, (history) => {
      const group = new ConsumerGroup('g', 0);
      for (const each of history) group.applyChange(each);
      const copy = new ConsumerGroup('g', 0);
      copy.applyChange(decodeGroupChange(encodeGroupChange(wholeGroup(group))));
      assert.deepEqual(wholeGroup(copy), wholeGroup(group));
      assert.equal(copy.sizeBytes, group.sizeBytes);
      const everybody = Array.from(group.members(), ({ memberId }) => memberId);
      group.applyChange({ ...(history[0] as GroupChange), removed: everybody, members: [] });
      assert.deepEqual([group.sizeBytes, group.phase], [0, 'empty']);
    }),
  );
});

test('damaged bytes are refused', () => {
  fc.assert(
    fc.property(change, fc.nat(), (value, at) => {
      const bytes = encodeGroupChange(value);
      const cut = bytes.subarray(0, at % bytes.length);
      assert.throws(() => decodeGroupChange(cut), MillraceError);
    }),
  );
  assert.throws(() => decodeGroupChange(Buffer.from(`02${EXAMPLE.slice(2)}`, 'hex')), /version 2/);
});
