/**
 * Kill -9 at random moments: nothing acknowledged is lost or altered, no hole, nothing seen vanishes.
 *
 *   node test/soak/kill-9.ts --rounds 100 --seed 7
 *
 * A seed repeats the plan (what is written, when kills come), not the exact interleaving, which is the machine's.
 */
import { parseArgs } from 'node:util';
import { runKillRounds } from './kill-rounds.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, seed: { type: 'string', default: String(Date.now() % 1e6) } },
});
const startedAt = performance.now();
const options = { rounds: Number(values.rounds), seed: Number(values.seed) };
console.log(`seed ${options.seed}, ${options.rounds} rounds`);
const result = await runKillRounds({ ...options, say: (line) => console.log(line) });
const MIB = 1024 * 1024;
console.log(
  [
    `passed ${options.rounds} rounds in ${Math.round((performance.now() - startedAt) / 1000)} s`,
    `${result.ackedBatches} batches acknowledged of ${result.sentBatches} sent, ${result.seenBatches} seen by the reader`,
    `${Math.round(result.journalBytes / MIB)} MiB on disk, ${Math.round(result.checkedBytes / MIB)} MiB read and compared`,
    `slowest start ${result.slowestStartMs} ms`,
  ].join('\n'),
);
