/** Proves: deadlines fire once, at their time, in order, on one timer, whatever is set, moved and cancelled meanwhile. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import * as fc from '../../../test/kit/properties.ts';
import { type Deadline, Deadlines } from './deadlines.ts';

describe('deadlines', () => {
  it('fire in order of time on one timer', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    for (const [name, delayMs] of [
      ['c', 30],
      ['a', 10],
      ['b', 20],
    ] as const) {
      deadlines.create(() => fired.push(name)).set(delayMs);
    }
    // The timers of 30 and 10; the latter replaced the former.
    assert.equal(clock.pendingTimers, 1);
    clock.advance(20);
    assert.deepEqual(fired, ['a', 'b']);
    clock.advance(10);
    assert.deepEqual(fired, ['a', 'b', 'c']);
    assert.equal(clock.pendingTimers, 0);
  });

  it('cost no timer and no heap step when they are moved later', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    let fired = 0;
    const session = deadlines.create(() => {
      fired += 1;
    });
    session.set(10);
    for (let i = 0; i < 100; i++) {
      clock.advance(5);
      session.set(10);
      assert.equal(clock.pendingTimers, 1);
    }
    clock.advance(9);
    assert.equal(fired, 0);
    clock.advance(1);
    assert.equal(fired, 1);
    assert.equal(session.isSet, false);
  });

  it('may set each other and themselves while they fire', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const fired: number[] = [];
    const again: Deadline = deadlines.create(() => {
      fired.push(clock.monotonic());
      if (fired.length < 3) again.set(5);
    });
    again.set(0);
    clock.advance(100);
    assert.deepEqual(fired, [0, 5, 10]);
  });

  it('are silent after stop', () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const deadline = deadlines.create(() => assert.fail('fired after stop'));
    deadline.set(10);
    deadlines.stop();
    deadline.set(5);
    deadline.cancel();
    clock.advance(100);
    assert.equal(clock.pendingTimers, 0);
  });

  it('agree with a list that is searched, for any sequence of commands', () => {
    const command = fc.record({
      which: fc.nat(7),
      what: fc.constantFrom('set', 'set', 'cancel', 'advance'),
      ms: fc.nat(50),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200, size: 'max' }), (commands) => {
        const clock = new ManualClock();
        const deadlines = new Deadlines(clock);
        const due = new Map<number, number>();
        const fired: string[] = [];
        const all = Array.from({ length: 8 }, (_, which) =>
          deadlines.create(() => fired.push(`${which}@${clock.monotonic()}`)),
        );
        for (const { which, what, ms } of commands) {
          if (what === 'set') {
            all[which]?.set(ms);
            due.set(which, clock.monotonic() + ms);
          } else if (what === 'cancel') {
            all[which]?.cancel();
            due.delete(which);
          } else {
            const end = clock.monotonic() + ms;
            const expected = [...due].filter(([, at]) => at <= end).map(([name, at]) => `${name}@${at}`);
            for (const [name, at] of due) if (at <= end) due.delete(name);
            clock.advance(ms);
            assert.deepEqual(fired.splice(0).sort(), expected.sort());
          }
          assert.equal(deadlines.size, due.size);
        }
      }),
    );
  });
});
