/**
 * Proves that node-rdkafka (librdkafka) works unmodified: our scenarios, the earthquake feed from and to each other
 * client, and its own e2e suite as far as the list below goes. Builds it first where needed, which takes minutes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { clientContract } from './contract.ts';
import { earthquakeMatrix } from './earthquake-matrix.ts';
import { npmDrivers } from './npm-drivers.ts';
import { type Rdkafka, rdkafkaDriver } from './rdkafka-driver.ts';
import { installRdkafka, loadRdkafka } from './rdkafka-install.ts';

/** Tests of its e2e suite by file, each run in a process of its own because some crash theirs; docs/clients.md has the reasons. */
const E2E: Readonly<Record<string, { readonly passing: number; readonly without?: string }>> = {
  'admin.spec.js': { passing: 5 },
  'both.spec.js': { passing: 4, without: 'consumeLoop|header|delivery|UNKNOWN_TOPIC' },
  'consumer.spec.js': { passing: 20 },
  'producer.spec.js': { passing: 10 },
};

const install = installRdkafka((line) => process.stderr.write(`${line}\n`));
const driver = rdkafkaDriver(loadRdkafka(install) as Rdkafka);

clientContract(driver);
earthquakeMatrix([driver], npmDrivers);
earthquakeMatrix(npmDrivers, [driver]);

test('the e2e suite of node-rdkafka, as far as the list goes', { timeout: 600_000 }, async (t) => {
  await using broker = await MillraceProcess.start();
  const directory = path.join(install.packageDirectory, 'e2e');
  const mocha = path.join(install.directory, 'node_modules/mocha/bin/mocha.js');
  const specs = readdirSync(directory).filter((file) => E2E[file] !== undefined);
  assert.equal(specs.length, Object.keys(E2E).length);
  for (const spec of specs) {
    await t.test(spec, { timeout: 180_000 }, () => {
      const { passing, without } = E2E[spec] as { passing: number; without?: string };
      const filter = without === undefined ? [] : ['--grep', without, '--invert'];
      const args = [mocha, '--exit', '--timeout', '60000', '--reporter', 'json', ...filter, path.join('e2e', spec)];
      const result = spawnSync(process.execPath, args, {
        cwd: install.packageDirectory,
        env: { ...process.env, KAFKA_HOST: broker.kafka },
        encoding: 'utf8',
        timeout: 170_000,
      });
      const { stats, failures } = JSON.parse(result.stdout.slice(result.stdout.indexOf('{\n  "stats"'))) as {
        stats: { passes: number; failures: number };
        failures: { fullTitle: string; err: { message?: string } }[];
      };
      assert.deepEqual(
        failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message}`),
        [],
      );
      assert.ok(stats.passes >= passing, `${stats.passes} of ${passing} passed`);
    });
  }
});
