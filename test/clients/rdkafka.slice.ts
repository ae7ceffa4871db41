/**
 * Proves that node-rdkafka (librdkafka) works unmodified: our scenarios, the earthquake feed from and to each other
 * client, and its own e2e suite except for the list below. Builds it first where needed, which takes minutes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { clientContract } from './contract.ts';
import { earthquakeMatrix } from './earthquake-matrix.ts';
import { npmDrivers } from './npm-drivers.ts';
import { type Rdkafka, rdkafkaDriver } from './rdkafka-driver.ts';
import { listE2e, runE2e } from './rdkafka-e2e.ts';
import { installRdkafka, loadRdkafka } from './rdkafka-install.ts';

/** Files of its e2e suite that are not asked to pass yet; docs/clients.md has the reasons. The list only shrinks. */
const E2E_EXCLUDED: ReadonlySet<string> = new Set(['producer-transaction.spec.js']);

const install = installRdkafka((line) => process.stderr.write(`${line}\n`));
const driver = rdkafkaDriver(loadRdkafka(install) as Rdkafka);

clientContract(driver);
earthquakeMatrix([driver], npmDrivers);
earthquakeMatrix(npmDrivers, [driver]);

test('the e2e suite of node-rdkafka', { timeout: 900_000 }, async (t) => {
  await using broker = await MillraceProcess.start();
  const tests = listE2e(install).filter(({ spec }) => !E2E_EXCLUDED.has(spec));
  assert.ok(tests.length > 50, `only ${tests.length} tests found`);
  for (const e2e of tests) {
    await t.test(`${e2e.spec}: ${e2e.title}`, () => assert.equal(runE2e(install, broker.kafka, e2e), undefined));
  }
});
