/** Proves that the replay loses no event, keeps their order and takes the time it was given. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseEvents, planReplay } from './replay.ts';

const feed = readFileSync(new URL('../../examples/data/earthquakes.ndjson', import.meta.url), 'utf8');

test('all 1,707 earthquakes of the feed are replayed in order', () => {
  const events = parseEvents(feed);
  assert.equal(events.length, 1707);
  const plan = planReplay(events, 90_000);
  assert.deepEqual(
    plan.flatMap((tick) => tick.events.map((event) => event.line)),
    feed.trimEnd().split('\n'),
  );
  assert.equal(plan[0]?.atMs, 0);
  assert.equal(plan.at(-1)?.atMs, 90_000);
  assert.ok(plan.every((tick, index) => index === 0 || tick.atMs > (plan[index - 1]?.atMs ?? 0)));
});

test('no events, one event and no time make sense', () => {
  assert.deepEqual(planReplay([], 1000), []);
  const event = { key: 'k', time: 5, line: '{}' };
  assert.deepEqual(planReplay([event], 1000), [{ atMs: 0, events: [event] }]);
  assert.equal(planReplay([event, { ...event, time: 9 }], 0).length, 1);
});
