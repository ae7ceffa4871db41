/**
 * Proves that node-rdkafka (librdkafka) works unmodified: our scenarios, the earthquake feed from and to each other
 * client, and its own e2e suite except for the list below. Builds it first where needed, which takes minutes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerPool } from './broker-pool.ts';
import { clientContract } from './contract.ts';
import { memberScenarios } from './contract-members.ts';
import { earthquakeMatrix } from './earthquake-matrix.ts';
import { npmDrivers } from './npm-drivers.ts';
import { rdkafkaDriver } from './rdkafka-driver.ts';
import { createE2eTopics, listE2e, runE2e } from './rdkafka-e2e.ts';
import { installRdkafka, loadRdkafka } from './rdkafka-install.ts';
import type { Rdkafka } from './rdkafka-library.ts';

/** Tests of its e2e suite that are not asked to pass, by full title; docs/clients.md has the reasons. The list only shrinks. */
const E2E_EXCLUDED: ReadonlySet<string> = new Set(['Consumer committed and position should obey the timeout']);
/** Tests at the same time, each on a broker of its own; most of them wait most of the time. */
const LANES = 2;

const install = installRdkafka((line) => process.stderr.write(`${line}\n`));
const driver = rdkafkaDriver(loadRdkafka(install) as Rdkafka);

clientContract(driver);
memberScenarios(driver);
earthquakeMatrix([driver], npmDrivers);
earthquakeMatrix(npmDrivers, [driver]);

test('the e2e suite of node-rdkafka', { timeout: 900_000, concurrency: LANES }, async (t) => {
  const runs = listE2e(install);
  const testCount = runs.reduce((sum, run) => sum + run.testCount, 0);
  assert.ok(testCount >= 62, `only ${testCount} tests found`);
  await using brokers = await BrokerPool.start(LANES);
  for (const broker of brokers.all) await createE2eTopics(broker.kafka);
  await Promise.all(
    runs
      .filter(({ title }) => !E2E_EXCLUDED.has(title))
      .map((run) =>
        t.test(`${run.spec}: ${run.title}`, async () => {
          assert.equal(await brokers.lend((broker) => runE2e(install, broker.kafka, run)), undefined);
        }),
      ),
  );
});
