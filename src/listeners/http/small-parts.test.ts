/** Proves the parts of the listener that need no socket: paths, negotiation, base64, times, budget, pages, statuses. */
import assert from 'node:assert/strict';
import { STATUS_CODES } from 'node:http';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { ERROR_KINDS, type ErrorCode } from '../../base/errors.ts';
import { mediaType, negotiate } from './accept.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { ByteBudget } from './byte-budget.ts';
import { ERROR_STATUS } from './error-status.ts';
import { MethodTable } from './method-table.ts';
import { smallestNames } from './smallest.ts';
import { parseTimestamp } from './timestamp.ts';
import { foldTopicPath } from './topic-path.ts';

test('topic paths: plain segments become one, the last verb stays', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/v1/topics', '/v1/topics'],
    ['/v1/topics?x=a/b', '/v1/topics?x=a/b'],
    ['/v1/topics/eggs', '/v1/topics/eggs'],
    ['/v1/topics/eggs/records', '/v1/topics/eggs/records'],
    ['/v1/topics/food/eggs', '/v1/topics/food%2Feggs'],
    ['/v1/topics/food/eggs/records?a=b/c', '/v1/topics/food%2Feggs/records?a=b/c'],
    ['/v1/topics/a/b/c/config', '/v1/topics/a%2Fb%2Fc/config'],
    ['/v1/topics/food%2Feggs/records', '/v1/topics/food%2Feggs/records'],
    ['/v1/topics/food.records', '/v1/topics/food.records'],
    ['/v1/topics/records', '/v1/topics/records'],
    ['/v1/topics/records/records', '/v1/topics/records/records'],
    ['/v1/topics/food/records/records', '/v1/topics/food%2Frecords/records'],
    ['/v1/topics/food/records%2Fx', '/v1/topics/food%2Frecords%2Fx'],
    ['/v1/topics/food/', '/v1/topics/food%2F'],
    ['/v1/topics//records', '/v1/topics//records'],
    ['/v1/topicsx/a/b', '/v1/topicsx/a/b'],
    ['/v1/stream/a/b', '/v1/stream/a/b'],
  ];
  for (const [url, folded] of cases) assert.equal(foldTopicPath(url), folded, url);
});

test('negotiation: quality first, then our order; the specific range decides', () => {
  const offers = ['application/json', 'application/x-ndjson', 'text/plain'] as const;
  const cases: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['text/*', 'text/plain'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['APPLICATION/X-NDJSON; charset=utf-8', 'application/x-ndjson'],
    ['application/json;q=0.1, application/x-ndjson', 'application/x-ndjson'],
    ['*/*, application/json;q=0', 'application/x-ndjson'],
    ['text/html, */*;q=0.5', 'application/json'],
    ['text/html', undefined],
    ['application/json;q=0', undefined],
    ['application/json;q=nonsense', undefined],
    [',,;', undefined],
  ];
  for (const [accept, expected] of cases) assert.equal(negotiate(accept, offers), expected, accept ?? 'none');
  assert.equal(mediaType('Text/Plain; charset=utf-8'), 'text/plain');
  assert.equal(mediaType(undefined), '');
});

test('base64: all bytes come back, in both alphabets; anything else is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const standard = encodeBase64(bytes);
      assert.deepEqual(decodeBase64(standard), Buffer.from(bytes));
      assert.deepEqual(decodeBase64(Buffer.from(bytes).toString('base64url')), Buffer.from(bytes));
      for (const wrong of [`${standard}*`, ` ${standard}`, `${standard}=A`])
        assert.equal(decodeBase64(wrong), undefined, wrong);
    }),
  );
  for (const wrong of ['A', 'AA=', 'AAA==', '=', '==', 'A=A=', '===='])
    assert.equal(decodeBase64(wrong), undefined, wrong);
});

test('times: milliseconds or ISO 8601 with a zone', () => {
  assert.equal(parseTimestamp('0'), 0);
  assert.equal(parseTimestamp('1795183766979'), 1795183766979);
  assert.equal(parseTimestamp('2026-11-20T10:00:00Z'), Date.UTC(2026, 10, 20, 10));
  assert.equal(parseTimestamp('2026-11-20T10:00:00.5+01:00'), Date.UTC(2026, 10, 20, 9, 0, 0, 500));
  assert.equal(parseTimestamp('2026-11-20'), Date.UTC(2026, 10, 20));
  for (const wrong of [
    '',
    '-1',
    '1.5',
    '99999999999999999',
    'now',
    '2026-11-20T10:00:00',
    '2026-13-20',
    '1969-01-01',
    '9'.repeat(400),
  ]) {
    assert.equal(parseTimestamp(wrong), undefined, wrong);
  }
});

test('budget: grants in line, never beyond the limit, and one that is larger than all of it alone', () => {
  const budget = new ByteBudget(100);
  const order: string[] = [];
  assert.ok(budget.tryTake(60));
  assert.ok(!budget.tryTake(50));
  budget.take(50, () => order.push('a'));
  const leaves = budget.take(10, () => order.push('b'));
  budget.take(40, () => order.push('c'));
  assert.ok(!budget.tryTake(1), 'nobody overtakes the line');
  leaves.cancel();
  leaves.cancel();
  budget.give(60);
  assert.deepEqual(order, ['a', 'c']);
  assert.equal(budget.usedBytes, 90);
  budget.take(500, () => order.push('large'));
  budget.give(50);
  assert.equal(order.length, 2);
  budget.give(40);
  assert.deepEqual(order, ['a', 'c', 'large']);
  budget.give(500);
  assert.equal(budget.usedBytes, 0);
  assert.equal(budget.waiting, 0);
});

test('pages: the smallest names in order, as sorting gives them', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ maxLength: 4 })), fc.integer({ min: 1, max: 9 }), (names, count) => {
      assert.deepEqual(smallestNames(names, count), [...names].sort().slice(0, count));
    }),
  );
  const many = Array.from({ length: 5000 }, (_, i) => `t${(i * 7919) % 5000}`);
  assert.deepEqual(smallestNames(many, 100), [...many].sort().slice(0, 100));
});

test('every error code has a status that HTTP knows, and 5xx is ours', () => {
  for (const code of Object.keys(ERROR_KINDS) as ErrorCode[]) {
    const status = ERROR_STATUS[code];
    assert.ok(status >= 400 && status < 600, code);
    assert.ok(STATUS_CODES[status] !== undefined || status === 499, code);
    if (
      ERROR_KINDS[code] === 'fix-request' &&
      !/^(JOURNAL|TIER|CONFIG|CLIENT|PROCESS)_|TRANSACTIONS_UNSUPPORTED/.test(code)
    )
      assert.ok(status < 500, code);
    if (ERROR_KINDS[code] === 'internal' || ERROR_KINDS[code] === 'data-corrupt') assert.equal(status, 500, code);
  }
  assert.deepEqual(Object.keys(ERROR_STATUS).sort(), Object.keys(ERROR_KINDS).sort());
});

test('unknown paths and wrong methods are told apart', () => {
  const table = new MethodTable();
  table.add('GET', '/v1/topics/:name/records');
  table.add(['POST', 'DELETE'], '/v1/topics/:name/records');
  assert.equal(table.refusal('PUT', '/v1/topics/a/b/records').details['allow'], 'DELETE, GET, POST');
  assert.equal(table.refusal('GET', '/v2').code, 'HTTP_ROUTE_NOT_FOUND');
  assert.ok(table.refusal('GET', `/${'x'.repeat(10_000)}`).message.length < 300);
});
