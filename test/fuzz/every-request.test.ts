/** A short run of every-request.ts, which says what it proves. A failure prints its seed, which is new in every run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sweepEveryRequest } from './every-request.ts';

test('every request of every served API and version, hostile and damaged', { timeout: 120_000 }, async (t) => {
  const seed = Number(process.env['MILLRACE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  try {
    const { kinds, answered, closed } = await sweepEveryRequest({ seed, rounds: 2 });
    assert.ok(kinds > 120 && answered > kinds && closed > 20, `${kinds} kinds, ${answered} answered, ${closed} closed`);
  } catch (error) {
    throw new Error(`failed; repeat with node test/fuzz/every-request.ts --rounds 2 --seed ${seed}`, { cause: error });
  }
});
