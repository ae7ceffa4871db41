/** Proves that a broker which does not know a group and says so is taken as one where nothing is committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Admin } from '@platformatic/kafka';
import { committedOffsets } from './positions.ts';

/** As the library throws: what the broker said stands in the parts. */
function adminThatFails(apiId: string): Admin {
  const said = Object.assign(new Error('The group id does not exist.'), { apiId });
  const answer = new AggregateError([new AggregateError([said])], 'Listing consumer group offsets failed.');
  // Only this call is made.
  return { listConsumerGroupOffsets: async () => await Promise.reject(answer) } as unknown as Admin;
}

const PLACES = [{ topic: 't', partition: 0 }];

test('a group that is not known has no committed offsets', async () => {
  assert.equal((await committedOffsets(adminThatFails('GROUP_ID_NOT_FOUND'), 'g', PLACES)).size, 0);
});

test('any other refusal is thrown', async () => {
  await assert.rejects(committedOffsets(adminThatFails('GROUP_AUTHORIZATION_FAILED'), 'g', PLACES), AggregateError);
});
