/** Proves that every declared setting takes its default, and that names and values out of form are refused by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_BROKER_SETTINGS } from '../broker/settings.ts';
import { brokerSettings, SETTINGS } from './config.ts';

test('every default is a value that its own form accepts', () => {
  const defaults = SETTINGS.map((setting) => [setting.name, String(DEFAULT_BROKER_SETTINGS[setting.key])] as const);
  assert.deepEqual(brokerSettings(defaults), DEFAULT_BROKER_SETTINGS);
});

test('settings are applied by name, the last one wins', () => {
  const settings = brokerSettings([
    ['num.partitions', '3'],
    ['journal.sync', 'never'],
    ['auto.create.topics.enable', 'false'],
    ['num.partitions', '6'],
  ]);
  assert.deepEqual([settings.defaultPartitions, settings.sync, settings.autoCreateTopics], [6, 'never', false]);
});

test('unknown names and values out of form are refused', () => {
  const cases: [string, string][] = [
    ['num.partition', '3'],
    ['num.partitions', '0'],
    ['num.partitions', '3.5'],
    ['num.partitions', ''],
    ['journal.sync', 'sometimes'],
    ['auto.create.topics.enable', 'yes'],
    ['tier.store', 's4://bucket'],
    ['tier.store', 'dir://relative'],
    ['encryption.key.source', 'vault:x'],
  ];
  for (const [name, value] of cases) {
    assert.throws(() => brokerSettings([[name, value]]), {
      code: 'CONFIG_INVALID',
      message: new RegExp(name.replaceAll('.', '\\.')),
    });
  }
});
