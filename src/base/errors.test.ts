/** Proves: every code has its layer's prefix and a kind, errors carry their parts, and wrapping keeps our own errors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asMillraceError, ERROR_KINDS, assert as invariant, MillraceError } from './errors.ts';

const PREFIXES = [
  'WIRE_',
  'BACKUP_',
  'MODEL_',
  'JOURNAL_',
  'STORE_',
  'BROKER_',
  'HTTP_',
  'TIER_',
  'CLUSTER_',
  'CONFIG_',
  'CLIENT_',
  'PROCESS_',
  'INTERNAL',
];
const KINDS = ['retry', 'refresh', 'fix-request', 'fenced', 'closed', 'data-corrupt', 'internal'];

test('codes are upper case with a known prefix, kinds are of the closed list', () => {
  for (const [code, kind] of Object.entries(ERROR_KINDS)) {
    assert.match(code, /^[A-Z]+(_[A-Z0-9]+)*$/);
    assert.ok(
      PREFIXES.some((prefix) => code.startsWith(prefix)),
      code,
    );
    assert.ok(KINDS.includes(kind), `${code}: ${kind}`);
  }
});

test('an error carries code, kind, details and cause', () => {
  const cause = new Error('disk');
  const error = new MillraceError('JOURNAL_IO', 'No.', { details: { file: 3 }, cause });
  assert.deepEqual([error.code, error.kind, error.details, error.cause], ['JOURNAL_IO', 'retry', { file: 3 }, cause]);
  assert.deepEqual(new MillraceError('INTERNAL', 'x').details, {});
  assert.ok(!('cause' in new MillraceError('INTERNAL', 'x')));
});

test('asMillraceError wraps strangers and passes our own', () => {
  const own = new MillraceError('STORE_IO', 'x');
  assert.equal(asMillraceError(own, 'INTERNAL'), own);
  const stranger = new RangeError('far');
  const wrapped = asMillraceError(stranger, 'STORE_IO');
  assert.deepEqual([wrapped.code, wrapped.message, wrapped.cause], ['STORE_IO', 'far', stranger]);
  assert.equal(asMillraceError('text').message, 'text');
});

test('a broken invariant is INTERNAL', () => {
  invariant(true, 'fine');
  assert.throws(() => invariant(false, 'two owners'), { code: 'INTERNAL', message: /two owners/ });
});
