/**
 * Proves in half a minute for each protocol that a group of 20 members over 100 partitions stays right while members are
 * killed, paused and added. Five minutes with sessions of 6 s: `node test/soak/groups.ts`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runGroupSoak } from './group-soak.ts';

for (const protocol of ['classic', 'consumer'] as const) {
  test(`20 members over 100 partitions under fire, ${protocol}`, { timeout: 180_000 }, async (t) => {
    const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`seed ${seed}`);
    const load = { protocol, ms: 25_000, members: 20, partitions: 100, sessionMs: 3_000 };
    // A machine that is busy with other things may take longer; the long run holds it to one session.
    const result = await runGroupSoak({ ...load, settleLimitMs: 20_000, seed });
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.changes >= 3 && result.records > 1_000, 'too little happened');
  });
}
