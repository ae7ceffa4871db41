/** Ids against a map: added, removed, added again, many of them alike; what is no id is not found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { TopicIds } from './topic-ids.ts';

/** Some alike in the parts that the hash is made of. */
const id = fc.oneof(
  fc.nat(300).map((number) => number.toString(16).padStart(32, '0')),
  fc.nat(20).map((number) => `00000000${number.toString(16).padStart(16, '0')}00000000`),
  fc
    .array(fc.integer({ min: 0, max: 15 }), { minLength: 32, maxLength: 32 })
    .map((digits) => digits.map((digit) => digit.toString(16)).join('')),
);

test('adding, finding and removing agree with a map', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ id, removes: fc.boolean() }), { maxLength: 400 }), (steps) => {
      const ids = new TopicIds<{ id: string }>();
      const model = new Map<string, { topic: { id: string }; place: number }>();
      for (const { id: one, removes } of steps) {
        if (removes) {
          ids.remove(one);
          model.delete(one);
        } else if (!model.has(one)) {
          const topic = { id: one };
          const place = ids.add(one, topic);
          assert.ok(place !== undefined);
          model.set(one, { topic, place });
        }
        assert.equal(ids.find(one), model.get(one)?.topic);
      }
      assert.equal(ids.size, model.size);
      for (const { id: one } of steps) assert.equal(ids.find(one), model.get(one)?.topic);
      for (const [one, { place }] of model) assert.equal(ids.id(place), one);
      assert.equal(new Set([...model.values()].map(({ place }) => place)).size, model.size);
    }),
  );
});

test('topics that come and go again and again take no more than there were at a time', () => {
  const ids = new TopicIds<number>();
  const places = new Set<number | undefined>();
  for (let i = 0; i < 20_000; i++) {
    places.add(ids.add(i.toString(16).padStart(32, 'a'), i));
    if (i >= 10) ids.remove((i - 10).toString(16).padStart(32, 'a'));
  }
  assert.deepEqual([ids.size, places.size], [10, 11]);
});

test('what is no id is refused, and found by nobody', () => {
  const ids = new TopicIds<number>();
  const sound = 'ab'.repeat(16);
  assert.equal(ids.add(sound, 1), 0);
  for (const wrong of ['', 'ab', `${sound}00`, 'zz'.repeat(16), `${'ab'.repeat(15)}zz`, 'é'.repeat(32)]) {
    assert.equal(ids.add(wrong, 2), undefined);
    assert.equal(ids.find(wrong), undefined);
    ids.remove(wrong);
  }
  assert.equal(ids.find(sound), 1);
  assert.equal(ids.find(sound.toUpperCase()), 1, 'the same bytes');
});
