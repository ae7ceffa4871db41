/**
 * Proves that librdkafka's own integration tests pass against Millrace: here the fast ones of the allow list; all of them
 * with `node scripts/clients-librdkafka.ts`. Builds the library and its tests first where needed, which takes minutes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { librdkafkaAllowList } from './librdkafka-allow-list.ts';
import { installLibrdkafka } from './librdkafka-install.ts';
import { planRuns, runLibrdkafka, runTitle } from './librdkafka-suite.ts';

/** Most of them wait most of the time. */
const LANES = 2;

const install = installLibrdkafka((line) => process.stderr.write(`${line}\n`));

test('the integration tests of librdkafka', { timeout: 900_000, concurrency: LANES }, async (t) => {
  const runs = planRuns(librdkafkaAllowList.filter(({ smoke = false }) => smoke));
  assert.ok(runs.length >= 20, `only ${runs.length} runs`);
  const start = (run: (typeof runs)[number]) => async () =>
    assert.equal((await runLibrdkafka(install, run)).problem, undefined);
  await Promise.all(runs.map((run) => t.test(runTitle(run), start(run))));
});
