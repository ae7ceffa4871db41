/** Proves quotas on a clock moved by hand: rates, debts, defaults and overrides, what is durable, and the bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBroker } from '../../../test/kit/broker-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import * as fc from '../../../test/kit/properties.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { COMMAND } from '../state-part.ts';
import { ByteRate } from './byte-rate.ts';
import { MAX_MEASURED, MAX_THROTTLE_MS } from './quotas.ts';
import { QuotasState, quotaCommands } from './quotas-state.ts';

const DEADLINE = { timeout: 60_000 };

test('a second is free, a debt is waited for, and time pays it off', () => {
  const rate = new ByteRate(1_000, 0);
  assert.equal(rate.use(1_000, 0), 0);
  assert.equal(rate.use(500, 0), 500);
  assert.equal(rate.use(0, 250), 250);
  assert.equal(rate.use(0, 500), 0);
  assert.equal(rate.use(250, 500), 250);
  assert.equal(rate.isIdle(10_000), true);
  assert.equal(rate.use(1_001, 10_000), 1, 'what was not used for long is worth a second and no more');
});

test('who waits as told never has more than the rate, a second and one request', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.record({ bytes: fc.nat(3_000_000), pauseMs: fc.nat(500) }), { maxLength: 60 }),
      (bytesPerSecond, uses) => {
        const rate = new ByteRate(bytesPerSecond, 0);
        let [now, sum] = [0, 0];
        for (const { bytes, pauseMs } of uses) {
          // Asked before it is used: all earlier ones fit.
          assert.ok(sum <= (now / 1000) * bytesPerSecond + bytesPerSecond + 1e-6, `${sum} after ${now} ms`);
          now += rate.use(bytes, now) + pauseMs;
          sum += bytes;
        }
      },
    ),
  );
});

test('defaults hold where there is no quota of its own; changes hold at once', DEADLINE, async () => {
  using directory = new TempDirectory();
  const clock = new ManualClock();
  const broker = await openBroker(directory.path, { clock });
  const { quotas } = broker;
  try {
    assert.deepEqual([quotas.active, quotas.use('producer', 'a', 1e9)], [false, 0]);
    await quotas.change(undefined, { producerByteRate: 1_000, consumerByteRate: 2_000 });
    await quotas.change('fast', { producerByteRate: 10_000 });
    assert.equal(quotas.use('producer', 'a', 2_000), 1_000);
    assert.equal(quotas.use('producer', 'b', 1_000), 0, 'each client for itself');
    assert.equal(quotas.use('producer', 'fast', 10_000), 0);
    assert.equal(quotas.use('consumer', 'fast', 3_000), 500, 'the default of what it has not of its own');
    clock.advance(1_000);
    assert.equal(quotas.use('producer', 'a', 0), 0);
    await quotas.change('a', { producerByteRate: 100 });
    assert.equal(quotas.use('producer', 'a', 200), 1_000);
    assert.equal(quotas.use('producer', 'a', 1e9), MAX_THROTTLE_MS, 'never longer at a time');
    await quotas.change('a', { producerByteRate: null });
    await quotas.change(undefined, { producerByteRate: null });
    assert.equal(quotas.use('producer', 'a', 1e9), 0);
    assert.deepEqual(quotas.list(), [
      [undefined, { producerByteRate: undefined, consumerByteRate: 2_000 }],
      ['fast', { producerByteRate: 10_000, consumerByteRate: undefined }],
    ]);
    for (const rate of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await assert.rejects(quotas.change('x', { producerByteRate: rate }), { code: 'BROKER_CONFIG_INVALID' });
    }
    for (const id of ['', 'x'.repeat(257)]) {
      await assert.rejects(quotas.change(id, { producerByteRate: 1 }), { code: 'BROKER_REQUEST_INVALID' });
    }
    await quotas.change('dry', { producerByteRate: 1 }, { validateOnly: true });
    assert.equal(quotas.find('dry'), undefined);
  } finally {
    await broker.close();
  }
  const again = await openBroker(directory.path, { clock });
  assert.deepEqual(again.quotas.find('fast'), { producerByteRate: 10_000, consumerByteRate: undefined });
  assert.equal(again.quotas.limitOf('consumer', 'anyone'), 2_000);
  await again.close();
});

test('client ids without end are measured in bounded memory, and idle ones are forgotten', DEADLINE, async () => {
  using directory = new TempDirectory();
  const clock = new ManualClock();
  const broker = await openBroker(directory.path, { clock });
  const { quotas } = broker;
  await quotas.change(undefined, { producerByteRate: 10 });
  for (let i = 0; i < MAX_MEASURED; i++) quotas.use('producer', `client ${i}`, 1_000);
  assert.equal(quotas.use('producer', 'one more', 10), 0);
  assert.equal(quotas.use('producer', 'and one more', 10), 1_000, 'they share a measure');
  clock.advance(200_000);
  assert.equal(quotas.use('producer', 'later', 10), 0);
  assert.equal(quotas.use('producer', 'later still', 10), 0, 'there is room again');
  await broker.close();
});

test('the state folds to the same from commands and from a snapshot', () => {
  const state = new QuotasState();
  const quota = { producerByteRate: 5, consumerByteRate: undefined };
  for (const entity of [undefined, 'a', '', 'b'])
    state.apply(COMMAND.CLIENT_QUOTA_CHANGED, quotaCommands.changed(entity, quota));
  const none = { producerByteRate: undefined, consumerByteRate: undefined };
  state.apply(COMMAND.CLIENT_QUOTA_CHANGED, quotaCommands.changed('b', none));
  const writer = new StateWriter();
  state.snapshot(writer);
  const restored = new QuotasState();
  restored.restore(new StateReader(writer.finish(), 'snapshot'));
  assert.deepEqual([...restored.list()], [...state.list()]);
  assert.deepEqual(
    [...state.list()].map(([entity]) => entity),
    [undefined, 'a', ''],
  );
});
