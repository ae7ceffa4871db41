/** Proves: the parent header's text round trips, and what names no record is refused with the expected form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRecordPlace, parseRecordPlace } from './headers.ts';

test('a place round trips; topics with slashes keep their levels', () => {
  const place = { topic: 'shop.orders', partition: 3, offset: 4711 };
  assert.equal(formatRecordPlace(place), 'shop.orders/3/4711');
  assert.deepEqual(parseRecordPlace('shop.orders/3/4711'), place);
  assert.deepEqual(parseRecordPlace('shop/orders/3/4711'), place);
  assert.equal(parseRecordPlace(`t/0/${Number.MAX_SAFE_INTEGER}`).offset, Number.MAX_SAFE_INTEGER);
});

test('anything else is refused', () => {
  for (const text of [
    '',
    'orders',
    'orders/3',
    '/3/4',
    'orders/-1/4',
    'orders/3/x',
    'orders/4294967296/1',
    't/0/9999999999999999',
  ]) {
    assert.throws(() => parseRecordPlace(text), { name: 'MillraceError' }, text);
  }
  assert.throws(() => parseRecordPlace('or ders/3/4'), { code: 'MODEL_TOPIC_NAME_INVALID' });
});
