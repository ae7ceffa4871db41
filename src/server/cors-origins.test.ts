/** Proves that only what browsers send as an origin is taken: anything else would silently allow nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCorsOrigins } from './cors-origins.ts';

test('origins as browsers send them', () => {
  assert.deepEqual(parseCorsOrigins('*'), ['*']);
  const several = 'https://app.example, http://127.0.0.1:8080';
  assert.deepEqual(parseCorsOrigins(several), ['https://app.example', 'http://127.0.0.1:8080']);
});

test('what is no origin is refused', () => {
  for (const text of [
    '',
    'app.example',
    'https://app.example/',
    'https://app.example/path',
    'https://App.example',
    'a,*',
  ])
    assert.throws(() => parseCorsOrigins(text), { code: 'CONFIG_INVALID', message: /--cors/ }, text);
});
