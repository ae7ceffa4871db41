/** Proves that TRANSACTION_ENDED is read in both versions that journals hold, and that no other is taken for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEnded, transactionCommands } from './transaction-commands.ts';

const AT = 1_700_000_000_000;
const ended = {
  transactionalId: 't',
  at: AT,
  committed: false,
  producerEpoch: 4,
  aborted: [{ partition: 7, firstOffset: 1, markerOffset: 3 }],
};

test('version 2 holds who has the id from now on', () => {
  const body = { ...ended, producerId: 9, previousEpoch: 3 };
  assert.deepEqual(openEnded(transactionCommands.ended(body)), body);
});

test('version 1, as journals of before have it, tells nothing of that', () => {
  // u8 1, str "t", i64 at, u8 0, u16 4, one range of partition 7, offsets 1 to 3.
  const bytes = '01 00000001 74 0000018bcfe56800 00 0004 00000001 00000007 0000000000000001 0000000000000003';
  const body = Buffer.from(bytes.replaceAll(' ', ''), 'hex');
  assert.deepEqual(openEnded(body), { ...ended, producerId: undefined, previousEpoch: undefined });
});

test('a version of the future is refused', () => {
  const body = transactionCommands.ended({ ...ended, producerId: 9, previousEpoch: 3 });
  body[0] = 3;
  assert.throws(() => openEnded(body), { code: 'STORE_CORRUPT' });
});
