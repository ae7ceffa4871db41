/**
 * Proves on a few rounds what `node test/soak/kill-9.ts --rounds 100` proves on many: a broker killed at random loses no
 * acknowledged record, alters none, leaves no hole, takes back nothing that a reader saw, repeats nothing that an
 * idempotent producer sent twice. It cannot prove what happens at power loss: the system keeps written pages when a
 * process dies (test/sim does, on a disk that forgets).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runKillRounds } from './kill-rounds.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);

test(`five rounds of kill -9, seed ${SEED}`, { timeout: 180_000 }, async () => {
  const result = await runKillRounds({ rounds: 5, seed: SEED });
  assert.ok(result.ackedBatches > 0, 'nothing was acknowledged at all');
  assert.ok(result.seenBatches > 0, 'the reader saw nothing');
});
