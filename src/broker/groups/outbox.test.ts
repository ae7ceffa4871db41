/** Proves: answers leave after the outermost step, in order, also those made by answers, and one that throws blocks none. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Outbox } from './outbox.ts';

it('answers leave after the outermost step, in the order they were made', () => {
  const outbox = new Outbox();
  const seen: string[] = [];
  const result = outbox.step(() => {
    outbox.push(() => {
      seen.push('first');
      outbox.step(() => {
        outbox.push(() => seen.push('third'));
        seen.push('step of the first');
      });
    });
    outbox.step(() => outbox.push(() => seen.push('second')));
    seen.push('step');
    return 7;
  });
  assert.equal(result, 7);
  assert.deepEqual(seen, ['step', 'first', 'step of the first', 'second', 'third']);
});

it('an answer that throws is reported, and the next step delivers the rest', () => {
  const outbox = new Outbox();
  const seen: string[] = [];
  assert.throws(
    () =>
      outbox.step(() => {
        outbox.push(() => {
          throw new Error('listener');
        });
        outbox.push(() => seen.push('rest'));
      }),
    /listener/,
  );
  outbox.step(() => undefined);
  assert.deepEqual(seen, ['rest']);
});
