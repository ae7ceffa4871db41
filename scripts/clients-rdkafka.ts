/**
 * Builds node-rdkafka outside the tree, then runs our scenarios and its own e2e suite against a broker of this tree.
 *
 *   node scripts/clients-rdkafka.ts                build what is missing, run everything
 *   node scripts/clients-rdkafka.ts --build-only   build
 *
 * CI runs the same through `test/clients/rdkafka.slice.ts`. Needs npm, make, a C++ compiler and, once, some minutes.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { installRdkafka } from '../test/clients/rdkafka-install.ts';

const SLICE = fileURLToPath(new URL('../test/clients/rdkafka.slice.ts', import.meta.url));

const install = installRdkafka((line) => process.stderr.write(`${line}\n`));
process.stderr.write(`node-rdkafka is in ${install.directory}\n`);
if (!process.argv.includes('--build-only')) {
  const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', SLICE], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
