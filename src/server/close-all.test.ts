/** Proves that a failing step neither stops the later ones nor hides another failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeAll } from './close-all.ts';

test('all steps run in order, failures are reported together', async () => {
  const ran: string[] = [];
  const step = (name: string, failure?: Error) => ({
    name,
    close: async () => {
      ran.push(name);
      if (failure !== undefined) throw failure;
    },
  });
  const closing = closeAll([step('a', new Error('first')), step('b'), step('c', new Error('second'))]);
  await assert.rejects(closing, (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map((failure: Error) => failure.message),
      ['a: first', 'c: second'],
    );
    return true;
  });
  assert.deepEqual(ran, ['a', 'b', 'c']);
  await closeAll([step('d')]);
});
