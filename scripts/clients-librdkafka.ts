/**
 * Builds librdkafka and its integration tests outside the tree, then runs them against brokers of this tree.
 *
 *   node scripts/clients-librdkafka.ts                the whole allow list; half an hour on two cores
 *   node scripts/clients-librdkafka.ts 0012 0045      those numbers of it
 *   node scripts/clients-librdkafka.ts --smoke        those that CI runs (test/clients/librdkafka.slice.ts)
 *   node scripts/clients-librdkafka.ts --local        also those that need no broker
 *   node scripts/clients-librdkafka.ts --show 0012    with what the tests say when they fail
 *   node scripts/clients-librdkafka.ts --build-only   build
 *
 * Ends with 1 where one failed. Needs npm, make, gcc, g++ and the headers of OpenSSL and zlib.
 */
import { parseArgs } from 'node:util';
import { librdkafkaAllowList } from '../test/clients/librdkafka-allow-list.ts';
import { installLibrdkafka } from '../test/clients/librdkafka-install.ts';
import { type LibrdkafkaRun, planRuns, runLibrdkafka, runTitle } from '../test/clients/librdkafka-suite.ts';

const LANES = 2;

const { values, positionals: numbers } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: 'boolean', default: false },
    local: { type: 'boolean', default: false },
    show: { type: 'boolean', default: false },
    'build-only': { type: 'boolean', default: false },
  },
});

const install = installLibrdkafka((line) => process.stderr.write(`${line}\n`));
process.stderr.write(`librdkafka's tests are in ${install.testsDirectory}\n`);
if (!values['build-only']) process.exitCode = await main();

async function main(): Promise<number> {
  const runs = planRuns(
    librdkafkaAllowList
      .filter(({ name }) => numbers.length === 0 || numbers.includes(name.slice(0, 4)))
      .filter(({ local = false }) => values.local || !local)
      .filter(({ smoke = false }) => smoke || !values.smoke),
  );
  const waiting = [...runs];
  let [passed, failed] = [0, 0];
  const lane = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
      const good = await report(run);
      if (good) passed += run.tests.length;
      else failed += run.tests.length;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

async function report(run: LibrdkafkaRun): Promise<boolean> {
  const { problem, durationMs } = await runLibrdkafka(install, run);
  const good = problem === undefined;
  process.stdout.write(`${good ? '✔' : '✖'} ${runTitle(run)} (${(durationMs / 1000).toFixed(1)} s)\n`);
  if (!good && values.show) process.stdout.write(`${problem}\n`);
  return good;
}
