/**
 * Proves in 30 seconds that stalled and slow consumers do not make the broker hold what they do not take: resident memory
 * stays under the promised bound while far more is asked for. It cannot show a slow leak; ten minutes of
 * `node test/soak/memory.ts` do.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runMemorySoak } from './memory-soak.ts';

/** The promise of docs/performance.md for all loads. */
const MAX_RESIDENT_BYTES = 300e6;

test('resident memory under stalled, rereading and tailing consumers', { timeout: 120_000 }, async (t) => {
  const result = await runMemorySoak(30_000);
  t.diagnostic(
    `peak ${Math.round(result.peakBytes / 1e6)} MB, ${Math.round(result.slopeBytesPerMinute / 1e6)} MB a minute at the end`,
  );
  assert.ok(result.tailedRecords > 0 && result.rereadBytes > 0 && result.producedBytes > 0, 'nothing was done');
  assert.ok(result.peakBytes < MAX_RESIDENT_BYTES, `${result.peakBytes} bytes resident`);
});
