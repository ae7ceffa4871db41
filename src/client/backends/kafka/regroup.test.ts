/**
 * Proves that a member whose session ended while it processed commits what stays its own and goes on, without an error: it
 * joins again by itself, also where the library under it gives up at once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceProcess } from '../../../../test/kit/millrace-process.ts';
import { connect, string } from '../../../sdk/index.ts';

test('a commit after the session ended waits for the new membership', { timeout: 120_000 }, async () => {
  await using broker = await MillraceProcess.start({
    settings: ['group.initial.rebalance.delay.ms=0', 'group.min.session.timeout.ms=1000'],
  });
  await using client = await connect(`kafka://${broker.kafka}/t`);
  await using producer = await client.producer({ value: string() });
  await producer.sendAll(['a', 'b', 'c'].map((value) => ({ value })));
  const options = { mode: 'load-balanced', group: 'g', value: string(), commit: 'manual' } as const;
  {
    await using slow = await connect(`kafka://${broker.kafka}/t?session-timeout-ms=2000&heartbeat-ms=300`, {
      library: { retries: 0 },
    });
    await using consumer = await slow.consumer(options);
    assert.equal((await consumer.next())?.value, 'a');
    // A program that computes sends no heartbeats: the broker takes the member for dead.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000);
    await consumer.commit();
    assert.equal((await consumer.next())?.value, 'b');
  }
  await using heir = await client.consumer(options);
  assert.equal((await heir.next())?.value, 'b');
});
