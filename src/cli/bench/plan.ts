/** What one run does: the options of `millrace bench`, checked, with every default settled. Crosses process borders as JSON. */
import { MillraceError } from '../../base/errors.ts';
import { MIN_RECORD_BYTES } from './batch.ts';
import type { Address } from './raw-socket.ts';

export const BENCH_MODES = ['produce', 'consume', 'end-to-end', 'fan-out'] as const;
export type BenchMode = (typeof BENCH_MODES)[number];

/** When the measured window ends, after the warm-up. */
export type RunLength = { readonly seconds: number } | { readonly records: number };

export interface BenchPlan {
  readonly mode: BenchMode;
  readonly broker: Address;
  /** Bytes of one record's value. */
  readonly size: number;
  /** Records in one batch; one batch is one Produce request. */
  readonly batch: number;
  /** Topics are `<topic>-0`, `<topic>-1`, and so on. */
  readonly topic: string;
  readonly topics: number;
  readonly partitions: number;
  /** Producing connections; in `consume` the consuming ones. */
  readonly connections: number;
  /** Consuming connections of `fan-out` and `end-to-end`. */
  readonly consumers: number;
  /** Requests that a producing connection keeps unanswered. */
  readonly inFlight: number;
  /** As on the wire: -1 = all. */
  readonly acks: -1 | 0 | 1;
  readonly length: RunLength;
  /** Offered load in records a second over all connections; undefined = as fast as answers come. */
  readonly rate: number | undefined;
  /** Seconds before the measured window. */
  readonly warmup: number;
  readonly fetchBytes: number;
  /** `consume`: wait at the end of the log for new records instead of reading it again. */
  readonly tail: boolean;
  /** `fan-out`: bytes the producer may be ahead of the slowest consumer. */
  readonly window: number;
  /** Skip creating and checking topics, for servers that know only Produce. */
  readonly skipSetup: boolean;
  /** A run without any progress for this long fails, in seconds. */
  readonly timeout: number;
  /** Generator processes; connections are split among them. */
  readonly processes: number;
}

/** Everything but the mode and the broker has a default. */
export type BenchOptions = Partial<BenchPlan> & Pick<BenchPlan, 'mode' | 'broker'>;

export const DEFAULT_PLAN = {
  size: 1000,
  batch: 100,
  topic: 'bench',
  topics: 1,
  partitions: 1,
  connections: 4,
  consumers: 1,
  inFlight: 5,
  acks: -1,
  length: { seconds: 10 },
  rate: undefined,
  warmup: 1,
  fetchBytes: 1024 * 1024,
  tail: false,
  window: 4_000_000,
  skipSetup: false,
  timeout: 30,
  processes: 1,
} as const satisfies Omit<BenchPlan, 'mode' | 'broker'>;

/** Latency of single records at a load that no machine notices, unless asked otherwise. */
const END_TO_END_DEFAULTS = { batch: 1, connections: 1, inFlight: 50, rate: 500 } as const;
const FAN_OUT_DEFAULTS = { connections: 1, consumers: 100 } as const;

const LIMITS = {
  size: [MIN_RECORD_BYTES, 64 * 1024 * 1024],
  batch: [1, 1_000_000],
  topics: [1, 1_000_000],
  partitions: [1, 10_000],
  connections: [1, 10_000],
  consumers: [1, 10_000],
  inFlight: [1, 10_000],
  warmup: [0, 3600],
  fetchBytes: [1, 1024 * 1024 * 1024],
  window: [1, Number.MAX_SAFE_INTEGER],
  timeout: [1, 3600],
  processes: [1, 64],
} as const;

/** What an option is in this mode when it is not given. */
export function defaultsOf(mode: BenchMode): Omit<BenchPlan, 'mode' | 'broker'> {
  if (mode === 'end-to-end') return { ...DEFAULT_PLAN, ...END_TO_END_DEFAULTS };
  return mode === 'fan-out' ? { ...DEFAULT_PLAN, ...FAN_OUT_DEFAULTS } : DEFAULT_PLAN;
}

/** @throws MillraceError CONFIG_INVALID naming the option and what it may be. */
export function makePlan(options: BenchOptions): BenchPlan {
  const plan: BenchPlan = { ...defaultsOf(options.mode), ...options };
  for (const [name, [min, max]] of Object.entries(LIMITS) as [keyof typeof LIMITS, readonly [number, number]][]) {
    const value = plan[name];
    const whole = name === 'warmup' || Number.isInteger(value);
    if (!whole || !(value >= min && value <= max)) invalid(name, `${value} is not a number from ${min} to ${max}`);
  }
  checkTogether(plan);
  return plan;
}

function checkTogether(plan: BenchPlan): void {
  const amount = 'seconds' in plan.length ? plan.length.seconds : plan.length.records;
  if (!(amount > 0)) invalid('seconds' in plan.length ? 'seconds' : 'records', `${amount} is not above 0`);
  if (plan.rate !== undefined && !(plan.rate > 0)) invalid('rate', `${plan.rate} is not above 0`);
  if (plan.acks === 0 && plan.mode === 'end-to-end') {
    invalid('acks', '0 leaves no answer by which to reuse a request; end-to-end runs with 1 or all');
  }
  const processesShare = plan.mode === 'produce' || plan.mode === 'consume';
  if (plan.processes > 1 && !processesShare)
    invalid('processes', `${plan.mode} runs in one process, which holds both ends`);
  if (plan.processes > plan.connections)
    invalid('processes', `there are only ${plan.connections} connections to share`);
  if (plan.batch * plan.size > 512 * 1024 * 1024)
    invalid('batch', `a batch of ${plan.batch} x ${plan.size} bytes is above 512 MiB`);
}

function invalid(option: string, why: string): never {
  const flag = `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new MillraceError('CONFIG_INVALID', `${flag}: ${why}.`, { details: { option: flag } });
}

/** The part of the plan that process `index` of `plan.processes` runs. */
export function planOfProcess(plan: BenchPlan, index: number): BenchPlan {
  const connections =
    Math.floor(plan.connections / plan.processes) + (index < plan.connections % plan.processes ? 1 : 0);
  const length = 'records' in plan.length ? { records: Math.ceil(plan.length.records / plan.processes) } : plan.length;
  const rate = plan.rate === undefined ? undefined : plan.rate / plan.processes;
  return { ...plan, connections, length, rate };
}

/** As Kafka's protocol writes them: levels separated by dots. */
export function topicNames(plan: BenchPlan): string[] {
  const name = plan.topic.replaceAll('/', '.');
  return Array.from({ length: plan.topics }, (_, i) => `${name}-${i}`);
}
