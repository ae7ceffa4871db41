/**
 * Exactly once under fire, whole: the broker is killed -9 thirty times while two pipelines of three workers run.
 *
 *   node test/soak/exactly-once.ts --kills 30 --seed 7 --clients kafkajs,platformatic
 *
 * A seed repeats the plan of kills, not the exact interleaving, which is the machine's.
 */
import { parseArgs } from 'node:util';
import { type PipelineClient, runExactlyOnce } from './exactly-once-rounds.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
    clients: { type: 'string', default: 'kafkajs,platformatic' },
  },
});
const startedAt = performance.now();
const clients = values.clients.split(',') as PipelineClient[];
const [brokerKills, seed] = [Number(values.kills), Number(values.seed)];
console.log(`seed ${seed}, ${brokerKills} kills of the broker, pipelines: ${clients.join(', ')}`);
const result = await runExactlyOnce({ clients, brokerKills, seed, say: (line) => console.log(line) });
console.log(
  [
    `passed in ${Math.round((performance.now() - startedAt) / 1000)} s: ${result.records} records, each once and in order`,
    `all pipelines had gone on before ${result.progressed} of the kills`,
    `${result.aborted} aborted transactions in the output, ${result.workerKills} workers killed, ` +
      `${result.workerStops} stopped and woken, ${result.workerExits} ended by themselves`,
  ].join('\n'),
);
