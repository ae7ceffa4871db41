/**
 * Sequences against a small model: a producer's last five batches, the wrap at 2^31, epochs, expiry, and a table that went
 * through a snapshot at any point. What it can't show: that Kafka's clients agree (the client suites do).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import { PRODUCER_EXPIRATION_MS, ProducerTable } from './producer-table.ts';

const WRAP = 2 ** 31;
const NEVER = Number.NEGATIVE_INFINITY;

function copyOf(table: ProducerTable): ProducerTable {
  const writer = new StateWriter();
  table.snapshot(writer);
  const copy = new ProducerTable();
  copy.restore(new StateReader(writer.finish(), 'test'));
  return copy;
}

function bytesOf(table: ProducerTable): string {
  const writer = new StateWriter();
  table.snapshot(writer);
  return Buffer.from(writer.finish()).toString('hex');
}

test('sequences wrap after 2^31 - 1, also inside a batch', () => {
  const table = new ProducerTable();
  table.record(1, 0, WRAP - 3, 0, 0, 1);
  assert.equal(table.check(1, 0, WRAP - 2, 3, NEVER).outcome, 'append');
  table.record(1, 0, WRAP - 2, 3, 1, 1);
  assert.deepEqual(table.check(1, 0, WRAP - 2, 3, NEVER), { outcome: 'duplicate', baseOffset: 1 });
  assert.equal(table.check(1, 0, 2, 0, NEVER).outcome, 'append', '-2, -1, 0, 1 were taken');
  assert.equal(table.check(1, 0, 3, 0, NEVER).outcome, 'refuse');
});

test('after a fence no batch of before passes for one of now', () => {
  // What broke: a transaction's second batch had the numbers of one of the transaction before, and was taken for its repeat.
  let table = new ProducerTable();
  const send = (epoch: number, sequence: number, last: number, offset: number): string => {
    const check = table.check(1, epoch, sequence, last - sequence, NEVER);
    if (check.outcome === 'append') table.record(1, epoch, sequence, last - sequence, offset, 1);
    return check.outcome === 'duplicate' ? `duplicate of ${check.baseOffset}` : check.outcome;
  };
  assert.deepEqual([send(0, 0, 2, 0), send(0, 3, 4, 3)], ['append', 'append']);
  table.fence(1, 1);
  assert.deepEqual([send(1, 0, 0, 6), send(1, 1, 2, 7)], ['append', 'append']);
  table = copyOf(table);
  assert.deepEqual(
    [send(1, 3, 4, 9), send(1, 1, 2, 99), send(1, 3, 4, 99)],
    ['append', 'duplicate of 7', 'duplicate of 9'],
  );
});

test('a new epoch begins at 0, an old one is fenced, an unknown producer may begin anywhere', () => {
  const table = new ProducerTable();
  assert.equal(table.check(1, 3, 77, 0, NEVER).outcome, 'append');
  table.record(1, 3, 77, 0, 0, 1);
  assert.deepEqual(table.check(1, 2, 78, 0, NEVER), { outcome: 'refuse', error: 'BROKER_PRODUCER_EPOCH_OLD' });
  assert.deepEqual(table.check(1, 4, 78, 0, NEVER), { outcome: 'refuse', error: 'BROKER_SEQUENCE_GAP' });
  assert.equal(table.check(1, 4, 0, 0, NEVER).outcome, 'append');
  table.record(1, 4, 0, 0, 1, 1);
  assert.equal(table.check(1, 4, 77, 0, NEVER).outcome, 'refuse', 'batches of the old epoch are no repeats');
});

// An expired producer that began at 0 again kept its old batches beside the new one: its next new batch was taken for the
// repeat of an old one, acknowledged with the old offset, and never stored.
test('what an expired producer sends is stored, whatever it sent before', () => {
  const table = new ProducerTable();
  for (let i = 0; i < 5; i++) table.record(1, 0, i, 0, i, 1000);
  const later = 1000 + PRODUCER_EXPIRATION_MS + 1;
  assert.equal(table.check(1, 0, 0, 0, later - PRODUCER_EXPIRATION_MS).outcome, 'append');
  table.record(1, 0, 0, 0, 5, later);
  assert.equal(table.check(1, 0, 1, 0, later - PRODUCER_EXPIRATION_MS).outcome, 'append');
  assert.deepEqual(table.check(1, 0, 0, 0, later - PRODUCER_EXPIRATION_MS), { outcome: 'duplicate', baseOffset: 5 });
});

test('accepted batches are remembered as the model says, and the same through snapshots and early expiry', () => {
  const step = fc.record({
    id: fc.nat(2),
    epochUp: fc.constantFrom(0, 0, 0, 0, 1, -1),
    /** 0: the next sequence; below: a repeat; above: a gap. */
    shift: fc.constantFrom(0, 0, 0, 0, 0, -1, -2, -5, -6, 1),
    count: fc.integer({ min: 1, max: 3 }),
    wait: fc.constantFrom(0, 1, 1000, PRODUCER_EXPIRATION_MS / 2, PRODUCER_EXPIRATION_MS + 1),
    checkpoint: fc.boolean(),
  });
  interface Known {
    epoch: number;
    latest: number;
    sent: { sequence: number; last: number; offset: number }[];
  }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new ProducerTable();
      let other = new ProducerTable();
      const model = new Map<number, Known>();
      let now = 0;
      for (const [offset, { id, epochUp, shift, count, wait, checkpoint }] of steps.entries()) {
        now += wait;
        const expiredBefore = now - PRODUCER_EXPIRATION_MS;
        let known = model.get(id);
        if (known !== undefined && known.latest < expiredBefore) known = undefined;
        const epoch = (known?.epoch ?? 0) + epochUp < 0 ? 0 : (known?.epoch ?? 0) + epochUp;
        const next = known === undefined || epoch > known.epoch ? 0 : ((known.sent.at(-1)?.last ?? -1) + 1) % WRAP;
        const back = known?.sent.at(shift);
        const sequence = shift < 0 && back !== undefined ? back.sequence : next + Math.max(0, shift);
        const last = shift < 0 && back !== undefined ? back.last : sequence + count - 1;
        let expected: string = 'append';
        if (known !== undefined && epoch < known.epoch) expected = 'refuse';
        else if (known !== undefined && epoch > known.epoch) expected = sequence === 0 ? 'append' : 'refuse';
        else if (known !== undefined) {
          const repeated = known.sent.slice(-5).some((one) => one.sequence === sequence && one.last === last);
          expected = repeated ? 'duplicate' : sequence === next ? 'append' : 'refuse';
        }
        // As a snapshot, or the timer of a running broker, drops them: that must not change any answer.
        if (checkpoint) {
          other.expire(expiredBefore);
          other = copyOf(other);
        }
        for (const one of [table, other]) {
          assert.equal(one.check(id, epoch, sequence, last - sequence, expiredBefore).outcome, expected);
        }
        if (expected !== 'append') continue;
        for (const one of [table, other]) one.record(id, epoch, sequence, last - sequence, offset, now);
        if (known === undefined || epoch !== known.epoch) known = { epoch, latest: now, sent: [] };
        known.sent.push({ sequence, last, offset });
        known.latest = now;
        model.set(id, known);
      }
      table.expire(now - PRODUCER_EXPIRATION_MS);
      other.expire(now - PRODUCER_EXPIRATION_MS);
      assert.equal(bytesOf(table), bytesOf(other), 'the same state, however it came to be');
    }),
    { numRuns: 500 },
  );
});
