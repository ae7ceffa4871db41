/** Settings of topics and of the broker: what is accepted, what is refused and how, and what they do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { describeBrokerConfig } from './broker-config.ts';
import { DEFAULT_BROKER_SETTINGS } from './settings.ts';
import { applyChanges, describeTopicConfig, TOPIC_SETTINGS, topicLimits } from './topic-config.ts';

function set(name: string, value: string): ReadonlyMap<string, string> {
  return applyChanges(undefined, [{ name, op: 'set', value }]);
}

function refusal(name: string, value: string): string | undefined {
  try {
    set(name, value);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof MillraceError);
    assert.ok(error.message.includes(name.slice(0, 100)), 'the setting is named');
    return error.code;
  }
}

test('values are accepted and refused as the table says', () => {
  const cases: [string, string, string | undefined][] = [
    ['cleanup.policy', 'delete', undefined],
    ['cleanup.policy', 'compact', undefined],
    ['cleanup.policy', 'compact,delete', undefined],
    ['cleanup.policy', 'compact, shred', 'BROKER_CONFIG_INVALID'],
    ['cleanup.policy', '', 'BROKER_CONFIG_INVALID'],
    ['compression.type', 'producer', undefined],
    ['compression.type', 'gzip', undefined],
    ['compression.type', 'none', 'BROKER_CONFIG_INVALID'],
    ['compression.gzip.level', '0', 'BROKER_CONFIG_INVALID'],
    ['compression.gzip.level', '-1', undefined],
    ['compression.zstd.level', '-131072', undefined],
    ['compression.lz4.level', '3', 'BROKER_CONFIG_UNSUPPORTED'],
    ['max.message.bytes', '0', undefined],
    ['max.message.bytes', '2147483647', undefined],
    ['max.message.bytes', '2147483648', 'BROKER_CONFIG_INVALID'],
    ['max.message.bytes', '-1', 'BROKER_CONFIG_INVALID'],
    ['max.message.bytes', '1e3', 'BROKER_CONFIG_INVALID'],
    ['max.message.bytes', ' 1', 'BROKER_CONFIG_INVALID'],
    ['max.message.bytes', '', 'BROKER_CONFIG_INVALID'],
    ['message.timestamp.type', 'LogAppendTime', undefined],
    ['message.timestamp.type', 'logappendtime', 'BROKER_CONFIG_INVALID'],
    ['min.insync.replicas', '2', undefined],
    ['min.insync.replicas', '0', 'BROKER_CONFIG_INVALID'],
    ['segment.bytes', '1073741824', undefined],
    ['segment.bytes', '13', 'BROKER_CONFIG_INVALID'],
    ['segment.ms', '9223372036854775807', undefined],
    ['segment.ms', '9223372036854775808', 'BROKER_CONFIG_INVALID'],
    ['flush.messages', '0', 'BROKER_CONFIG_INVALID'],
    ['file.delete.delay.ms', '60000', undefined],
    ['unclean.leader.election.enable', 'false', undefined],
    ['unclean.leader.election.enable', 'no', 'BROKER_CONFIG_INVALID'],
    ['preallocate', 'true', undefined],
    ['min.cleanable.dirty.ratio', '0.01', undefined],
    ['min.cleanable.dirty.ratio', '1.5', 'BROKER_CONFIG_INVALID'],
    ['message.format.version', '2.8-IV1', undefined],
    ['message.format.version', '0.10.2', 'BROKER_CONFIG_UNSUPPORTED'],
    ['remote.storage.enable', 'true', 'BROKER_CONFIG_UNSUPPORTED'],
    ['follower.replication.throttled.replicas', '*', undefined],
    ['follower.replication.throttled.replicas', '0:1,1:1', undefined],
    ['follower.replication.throttled.replicas', 'a', 'BROKER_CONFIG_INVALID'],
    ['retention.ms', '-1', undefined],
    ['retention.ms', '1000', undefined],
    ['retention.ms', '-2', 'BROKER_CONFIG_INVALID'],
    ['retention.bytes', '1073741824', undefined],
    ['retention.records', '0', undefined],
    ['retention.records', '1.5', 'BROKER_CONFIG_INVALID'],
    ['nope', '1', 'BROKER_CONFIG_INVALID'],
    ['constructor', '1', 'BROKER_CONFIG_INVALID'],
    ['__proto__', '1', 'BROKER_CONFIG_INVALID'],
    ['x'.repeat(10_000), '1', 'BROKER_CONFIG_INVALID'],
  ];
  for (const [name, value, code] of cases) assert.equal(refusal(name, value), code, `${name.slice(0, 30)}=${value}`);
});

test('any name and value is accepted or refused with a message of bounded length', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom(...Object.keys(TOPIC_SETTINGS))),
      fc.string({ maxLength: 500 }),
      (name, value) => {
        try {
          assert.equal(set(name, value).get(name), value);
        } catch (error) {
          assert.ok(error instanceof MillraceError && error.message.length < 1_500);
        }
      },
    ),
  );
});

test('changes are all or nothing, and deleting goes back to the default', () => {
  const before = set('max.message.bytes', '500');
  assert.throws(() =>
    applyChanges(before, [
      { name: 'max.message.bytes', op: 'set', value: '600' },
      { name: 'nope', op: 'delete' },
    ]),
  );
  assert.equal(before.get('max.message.bytes'), '500');
  assert.equal(applyChanges(before, [{ name: 'max.message.bytes', op: 'delete' }]).size, 0);
  assert.equal(applyChanges(before, [{ name: 'max.message.bytes', op: 'set', value: null }]).size, 0);
});

test('elements of a list are appended and subtracted; nothing else is a list', () => {
  const name = 'leader.replication.throttled.replicas';
  const change = (before: ReadonlyMap<string, string> | undefined, op: 'append' | 'subtract', value: string) =>
    applyChanges(before, [{ name, op, value }]);
  const first = change(undefined, 'append', '0:1, 1:1');
  assert.equal(first.get(name), '0:1,1:1');
  assert.equal(change(first, 'append', '1:1,2:1').get(name), '0:1,1:1,2:1');
  assert.equal(change(first, 'subtract', '0:1,7:7').get(name), '1:1');
  assert.equal(change(first, 'subtract', '0:1,1:1').get(name), '');
  assert.throws(() => change(first, 'append', 'x'), { code: 'BROKER_CONFIG_INVALID' });
  // The list that is the default counts as what is there.
  const policy = applyChanges(undefined, [{ name: 'cleanup.policy', op: 'append', value: 'delete' }]);
  assert.equal(policy.get('cleanup.policy'), 'delete');
  for (const op of ['append', 'subtract'] as const) {
    assert.throws(() => applyChanges(undefined, [{ name: 'max.message.bytes', op, value: '1' }]), {
      code: 'BROKER_CONFIG_INVALID',
    });
  }
});

test('limits follow the overrides, and descriptions say where a value comes from', () => {
  const settings = { ...DEFAULT_BROKER_SETTINGS, maxMessageBytes: 777 };
  const unlimited = {
    timestampBeforeMs: Number.POSITIVE_INFINITY,
    timestampAfterMs: Number.POSITIVE_INFINITY,
    codec: undefined,
    compaction: undefined,
    messageIds: undefined,
  };
  const retention = { maxAgeMs: 604_800_000, maxBytes: -1, maxRecords: -1 };
  const none = { ...unlimited, retention };
  assert.deepEqual(topicLimits(undefined, settings), { maxBatchBytes: 777, logAppendTime: false, ...none });
  const overrides = applyChanges(set('max.message.bytes', '5'), [
    { name: 'message.timestamp.type', op: 'set', value: 'LogAppendTime' },
    { name: 'retention.bytes', op: 'set', value: '9' },
  ]);
  assert.deepEqual(topicLimits(overrides, settings), {
    maxBatchBytes: 5,
    logAppendTime: true,
    ...unlimited,
    retention: { ...retention, maxBytes: 9 },
  });
  const compacted = topicLimits(
    applyChanges(set('cleanup.policy', 'compact'), [{ name: 'max.compaction.lag.ms', op: 'set', value: '60000' }]),
    settings,
  );
  assert.deepEqual(compacted.retention, { maxAgeMs: -1, maxBytes: -1, maxRecords: -1 });
  const rules = { minDirtyRatio: 0.5, minLagMs: 0, maxLagMs: 60_000, deleteRetentionMs: 86_400_000 };
  assert.deepEqual(compacted.compaction, rules);
  const both = topicLimits(set('cleanup.policy', 'compact,delete'), settings);
  assert.deepEqual(both.retention, retention);
  assert.deepEqual(both.compaction, { ...rules, maxLagMs: Number.POSITIVE_INFINITY });
  const window = (value: string) => topicLimits(set('dedup.window.ms', value), settings).messageIds;
  assert.deepEqual([window('0'), window('500')], [undefined, { windowMs: 500, maxEntries: 100_000 }]);
  assert.equal(window('9223372036854775807')?.windowMs, 2 ** 44, 'for ever, in exact numbers');
  const entries = describeTopicConfig(set('max.message.bytes', '5'), settings);
  assert.deepEqual(
    entries.map(({ name }) => name),
    Object.keys(TOPIC_SETTINGS).sort(),
  );
  const synonyms = entries.find(({ name }) => name === 'max.message.bytes')?.synonyms;
  assert.deepEqual(synonyms, [
    { name: 'max.message.bytes', value: '5', source: 'topic' },
    { name: 'message.max.bytes', value: '777', source: 'broker' },
    { name: 'message.max.bytes', value: '1048588', source: 'default' },
  ]);
  const own = entries.filter(({ source }) => source === 'topic');
  assert.deepEqual(
    own.map(({ name, value, isDefault }) => [name, value, isDefault]),
    [['max.message.bytes', '5', false]],
  );
  for (const { name, value } of describeTopicConfig(undefined, settings))
    assert.equal(refusal(name, value), undefined, `default of ${name}`);
});

test('the broker describes its settings, and which of them are not the default', () => {
  const entries = describeBrokerConfig({ ...DEFAULT_BROKER_SETTINGS, defaultPartitions: 12, sync: 'never' });
  const changed = entries.filter(({ isDefault }) => !isDefault).map(({ name, value, source }) => [name, value, source]);
  assert.deepEqual(changed, [
    ['millrace.journal.sync', 'never', 'broker'],
    ['num.partitions', '12', 'broker'],
  ]);
  const names = entries.map(({ name }) => name);
  assert.deepEqual(names, [...names].sort(), 'in order, each once');
  assert.equal(new Set(names).size, names.length);
  assert.ok(entries.every(({ readOnly, documentation }) => readOnly && documentation.endsWith('.')));
});
