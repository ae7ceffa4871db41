/** Proves that docs/kafka.md lists each API with the versions that clients are told, and each topic setting. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { TOPIC_SETTINGS } from '../../src/broker/topic-config.ts';
import { SERVED_APIS } from '../../src/listeners/kafka/registry.ts';
import { ROOT } from './source-tree.ts';

test('docs/kafka.md lists exactly the APIs of src/listeners/kafka/registry.ts, in their order', () => {
  const text = readFileSync(path.join(ROOT, 'docs/kafka.md'), 'utf8');
  const listed = [...text.matchAll(/^\| (\d+) \| ([A-Za-z]+) \| ([\d-]+) \|/gm)].map((row) => row.slice(1).join(' '));
  const served = SERVED_APIS.map(({ key, name, advertisedMinVersion: first, maxVersion: last }) => {
    return `${key} ${name} ${first === last ? first : `${first}-${last}`}`;
  });
  assert.deepEqual(listed, served);
});

test('docs/kafka.md lists exactly the topic settings of src/broker/topic-config.ts, in order of their names', () => {
  const text = readFileSync(path.join(ROOT, 'docs/kafka.md'), 'utf8');
  const listed = [...text.matchAll(/^\| `([a-z0-9.]+)` \|/gm)].map((row) => row[1]);
  assert.deepEqual(listed, Object.keys(TOPIC_SETTINGS).sort());
});
