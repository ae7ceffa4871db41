/**
 * A 20-second slice of the listener's fuzz run (kafka-listener.ts says what it does). A failure prints its seed. The seed
 * is new in every run, so that CI searches on; a found bug gets a test of its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzKafkaListener } from './kafka-listener.ts';

test('attackers break nothing for 20 seconds', { timeout: 120_000 }, async (t) => {
  const seed = Number(process.env['MILLRACE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  try {
    const { frames, healthyRounds } = await fuzzKafkaListener({ seed, seconds: 20 });
    assert.ok(frames > 100 && healthyRounds > 10, `${frames} frames, ${healthyRounds} healthy rounds`);
  } catch (error) {
    throw new Error(`failed; repeat with node test/fuzz/kafka-listener.ts --seconds 20 --seed ${seed}`, {
      cause: error,
    });
  }
});
