/** A partition's memory of message ids against a plain list: window, limit, order, transactions, snapshots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { bytesOf, idOf, MessageIdTable } from './message-id-table.ts';

function snapshotOf(table: MessageIdTable): Uint8Array {
  const writer = new StateWriter();
  table.snapshot(writer);
  return writer.finish();
}

test('an id is any bytes', () => {
  for (const bytes of [Uint8Array.of(0, 255, 128, 13), Buffer.from('é€'), Uint8Array.of()]) {
    assert.deepEqual(Uint8Array.from(bytesOf(idOf(bytes))), Uint8Array.from(bytes));
  }
});

test('ids of a transaction count when it commits, and are forgotten when it aborts', () => {
  const table = new MessageIdTable();
  table.limits = { windowMs: 100, maxEntries: 10 };
  table.addPending('a', 5, 1);
  table.addPending('b', 6, 2);
  assert.deepEqual(table.find('a', 0), { kind: 'pending', offset: 5, producerId: 1 });
  table.ended(1, false, 50);
  table.ended(2, true, 50);
  assert.equal(table.find('a', 0), undefined);
  assert.deepEqual(table.find('b', 50), { kind: 'seen', offset: 6 });
  assert.equal(table.find('b', 51), undefined, 'outside of the window');
  assert.deepEqual([table.size, table.pendingCount], [1, 0]);
});

test('a transaction with more ids than are remembered is bounded too', () => {
  const table = new MessageIdTable();
  table.limits = { windowMs: 100, maxEntries: 3 };
  for (let i = 0; i < 10; i++) table.addPending(String(i), i, 1);
  table.trim(0);
  assert.equal(table.pendingCount, 3);
  assert.deepEqual(table.find('9', 0), { kind: 'pending', offset: 9, producerId: 1 });
});

interface Row {
  id: string;
  offset: number;
  at: number;
}

/** The same as one would write it without a thought for time or memory. */
class Model {
  rows: Row[] = [];
  add(row: Row): void {
    this.rows = [...this.rows.filter(({ id }) => id !== row.id), row];
  }
  trim(now: number, windowMs: number, maxEntries: number): void {
    this.rows = this.rows.filter(({ at }) => at >= now - windowMs).slice(-maxEntries);
  }
}

const step = fc.record({
  ids: fc.array(fc.integer({ min: 0, max: 30 }).map(String), { maxLength: 8 }),
  advance: fc.integer({ min: 0, max: 40 }),
  windowMs: fc.constantFrom(50, 50, 50, 10, 1_000),
  maxEntries: fc.constantFrom(8, 8, 3, 20),
  restored: fc.boolean(),
});

test('property: what is known is what a list would know, over snapshots', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let table = new MessageIdTable();
      const model = new Model();
      let now = 1_000;
      let offset = 0;
      for (const { ids, advance, windowMs, maxEntries, restored } of steps) {
        now += advance;
        table.limits = { windowMs, maxEntries };
        for (const id of ids) {
          table.add(id, offset, now);
          model.add({ id, offset: offset++, at: now });
        }
        table.trim(now);
        model.trim(now, windowMs, maxEntries);
        if (restored) {
          const bytes = snapshotOf(table);
          table = new MessageIdTable();
          const reader = new StateReader(bytes, 'snapshot');
          table.restore(reader);
          assert.ok(reader.atEnd);
          assert.deepEqual(snapshotOf(table), bytes);
        }
        assert.equal(table.size, model.rows.length);
        for (let i = 0; i <= 30; i++) {
          const row = model.rows.find(({ id }) => id === String(i));
          const expected = row === undefined ? undefined : { kind: 'seen', offset: row.offset };
          assert.deepEqual(table.find(String(i), now - windowMs), expected);
        }
      }
      table.trim(now + 10_000);
      assert.deepEqual([table.size, table.sizeBytes], [0, 0]);
    }),
    { numRuns: 300 },
  );
});

test('forgetting the oldest of many does not walk over those that went before', () => {
  const table = new MessageIdTable();
  table.limits = { windowMs: 1e9, maxEntries: 50_000 };
  // With a walk from the beginning each time this takes minutes, and the deadline says so.
  for (let i = 0; i < 400_000; i++) {
    table.add(String(i), i, i);
    table.trim(i);
  }
  assert.equal(table.size, 50_000);
  assert.equal(table.find('349999', 0), undefined);
  assert.deepEqual(table.find('350000', 0), { kind: 'seen', offset: 350_000 });
});
