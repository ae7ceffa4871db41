/**
 * Proves on a few kills what `node test/soak/exactly-once.ts` proves on thirty: a consume-transform-produce pipeline of
 * real clients leaves each record once and in order, whatever dies.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExactlyOnce } from './exactly-once-rounds.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);

test(`four kills under two pipelines, seed ${SEED}`, { timeout: 300_000 }, async () => {
  const clients = ['kafkajs', 'platformatic'] as const;
  const result = await runExactlyOnce({ clients, brokerKills: 4, seed: SEED });
  assert.ok(result.records > 0, 'nothing was processed at all');
});
