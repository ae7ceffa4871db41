/** `millrace clock`: a record every so often, for trying things out. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { connect, json } from '../sdk/index.ts';
import { UsageError } from './failure.ts';
import { integer } from './options.ts';

interface Options {
  readonly interval: number;
  readonly count?: number;
  readonly to: string;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

const EXAMPLES = `
Examples:
  $ millrace clock
  $ millrace clock --interval 100ms --count 50 --to kafka://127.0.0.1:9092/clock
  $ millrace clock | millrace relay --from stdio:///clock --to file://./clock.ss/clock`;

export function register(program: Command): void {
  program
    .command('clock')
    .description('write {"tick":0}, {"tick":1}, ... at an even pace')
    .option('--interval <duration>', 'time between ticks, with ms, s or m', duration, 1000)
    .option('--count <number>', 'stop after so many', integer('--count', 1, Number.MAX_SAFE_INTEGER))
    .option('--to <uri>', 'where to', 'stdio:///clock')
    .addHelpText('after', EXAMPLES)
    .action(clock);
}

async function clock({ interval, count, to }: Options): Promise<void> {
  const client = await connect(to);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    const producer = await client.producer({ value: json<{ tick: number }>() });
    const start = performance.now();
    for (let tick = 0; tick !== count && !stop.signal.aborted; tick++) {
      // By the start and not by the last tick, so that delays do not add up.
      const waitMs = start + tick * interval - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: stop.signal }).catch(() => undefined);
      if (!stop.signal.aborted) await producer.send({ value: { tick } });
    }
  } finally {
    await client.close();
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

function duration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m)$/.exec(text);
  const value = Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN);
  if (value >= 1) return value;
  throw new UsageError(`--interval must be written like 100ms, 5s or 1m, not \`${text}\`.`);
}
