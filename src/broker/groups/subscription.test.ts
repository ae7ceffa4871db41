/** Proves: consumer subscriptions of every version are read as far as topics go, and no bytes do harm. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { subscription } from '../../../test/kit/group-transcript.ts';
import * as fc from '../../../test/kit/properties.ts';
import { allSubscribedTopics, assignedTopics, subscribedTopics } from './subscription.ts';

it('reads the topics of the worked example, and of later versions', () => {
  assert.deepEqual(subscribedTopics(Buffer.from('000000000001000174', 'hex')), ['t']);
  // Version 3, as the Java client writes it: topics, user data null, owned partitions, generation -1, no rack.
  const version3 = Buffer.from('000300000001000174ffffffff00000000ffffffffffff', 'hex');
  assert.deepEqual(subscribedTopics(version3), ['t']);
  assert.deepEqual(subscribedTopics(subscription(['a', 'bär', ''])), ['a', 'bär', '']);
});

it('refuses what is not a subscription', () => {
  for (const hex of [
    '',
    '0000',
    '000000000001',
    '00007fffffff0000',
    '0000ffffffff',
    'ffff00000000',
    '000000000001ffff',
    '0000000000010005ab',
  ]) {
    assert.equal(subscribedTopics(Buffer.from(hex, 'hex')), undefined, hex);
  }
  assert.equal(allSubscribedTopics([subscription(['a']), new Uint8Array(1)]), undefined);
  assert.deepEqual(allSubscribedTopics([subscription(['a']), subscription(['b', 'a'])]), new Set(['a', 'b']));
});

it('reads what a member was assigned', () => {
  const example = Buffer.from('0000000000010001740000000100000001', 'hex');
  assert.deepEqual(assignedTopics(example), [{ topic: 't', partitions: [1] }]);
  assert.deepEqual(assignedTopics(Buffer.concat([example, Buffer.from('ffffffff', 'hex')])), [
    { topic: 't', partitions: [1] },
  ]);
  assert.deepEqual(assignedTopics(new Uint8Array(0)), []);
  for (const hex of ['00', 'ffff00000000', '0000000000010001', '0000000000010001740000000200000001', '7fff7fffffff']) {
    assert.equal(assignedTopics(Buffer.from(hex, 'hex')), undefined, hex);
  }
});

it('never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      subscribedTopics(bytes);
      assignedTopics(bytes);
    }),
  );
});
