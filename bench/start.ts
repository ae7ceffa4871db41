/**
 * How long a start takes: from the command to the first answer on the Kafka port, with an empty directory, as the bundle runs and as the
 * sources do, in turns. Beside them a Node.js that does nothing, which is what the machine takes for a process.
 *
 *   node bench/start.ts [--rounds 11] [--dir DIR]
 *
 * The bound is that of issue 2: 500 ms. Exit code 1 where the median of the bundle's starts misses it.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { BrokerProcess } from './kit/broker-process.ts';
import { median, spread, TemporaryDirectory } from './kit/measure.ts';

const MOST_MS = 500;

async function startMs(parent: string | undefined, env: Record<string, string>): Promise<number> {
  using directory = new TemporaryDirectory(parent);
  await using broker = await BrokerProcess.start(directory.path, undefined, { env });
  return broker.readyMs;
}

function emptyMs(): number {
  const startedAt = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return performance.now() - startedAt;
}

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '11' }, dir: { type: 'string' } },
});
const [bundle, sources, empty]: [number[], number[], number[]] = [[], [], []];
// The first of each fills caches of compiled code.
await startMs(options.dir, {});
await startMs(options.dir, { MILLRACE_DEBUG: '1' });
for (let round = 0; round < Number(options.rounds); round++) {
  bundle.push(await startMs(options.dir, {}));
  sources.push(await startMs(options.dir, { MILLRACE_DEBUG: '1' }));
  empty.push(emptyMs());
}
process.stdout.write(`from the bundle   ${spread(bundle, 0)} ms\nfrom the sources  ${spread(sources, 0)} ms\n`);
process.stdout.write(`node -e 0         ${spread(empty, 0)} ms\n`);
const isSoon = median(bundle) < MOST_MS;
process.stdout.write(`${isSoon ? 'pass' : 'miss'}: ${median(bundle).toFixed(0)} ms, asked under ${MOST_MS}\n`);
process.exitCode = isSoon ? 0 : 1;
