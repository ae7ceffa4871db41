/** Proves that whatever a payload holds, a reader gets it back with LF for its line breaks, and no other event. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { sseEvent } from './sse.ts';

/** The parsing rules of the standard, 9.2.6, for one event. */
function parse(text: string): { event: string; data: string; count: number }[] {
  const events: { event: string; data: string; count: number }[] = [];
  let [event, lines]: [string, string[]] = ['message', []];
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line === '') {
      if (lines.length > 0) events.push({ event, data: lines.join('\n'), count: lines.length });
      [event, lines] = ['message', []];
      continue;
    }
    const colon = line.indexOf(':');
    const field = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') lines.push(value);
    else if (field === 'event') event = value;
  }
  return events;
}

test('examples', () => {
  assert.equal(sseEvent({ event: 'data', data: 'a\nb' }), 'event: data\ndata:a\ndata:b\n\n');
  assert.equal(sseEvent({ id: '7', data: '' }), 'id: 7\ndata:\n\n');
  assert.equal(sseEvent({ data: ' x' }), 'data:  x\n\n');
});

test('any payload comes back whole, as one event', () => {
  const payload = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', ' ', 'data:', 'event: x', ':', 'a', 'ü', ''))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(payload, (data) => {
      const events = parse(sseEvent({ event: 'data', data }));
      assert.deepEqual(
        events.map(({ event, data: got }) => [event, got]),
        [['data', data.replaceAll(/\r\n|\r/g, '\n')]],
      );
    }),
  );
});
