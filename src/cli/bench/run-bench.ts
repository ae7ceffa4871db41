/** One benchmark run from the outside: create topics, start generators, watch the broker, add up. */
import { AdminClient } from './admin.ts';
import { type Generator, startGenerator } from './generator-process.ts';
import { Histogram } from './histogram.ts';
import type { MeterState } from './meter.ts';
import { type BenchPlan, planOfProcess, topicNames } from './plan.ts';
import { findListener, type ProcessUsage, readUsage } from './proc-stats.ts';
import type { Phase, ScenarioResult } from './scenario.ts';

export interface LatencyReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Figures of one direction over the measured window. */
export interface SideReport {
  /** 10^6 batch bytes a second, as stored: record overhead and batch headers included. */
  readonly mbPerSecond: number;
  readonly recordsPerSecond: number;
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly records: number;
  readonly bytes: number;
  /** Undefined where nothing is answered (acks=0). */
  readonly latency: LatencyReport | undefined;
}

export interface BrokerReport {
  readonly pid: number;
  /** Of one core; 100 = one core busy. */
  readonly cpuPercent: number;
  /** CPU seconds per 10^9 bytes moved: produced, plus consumed. */
  readonly cpuSecondsPerGb: number;
  /** Highest resident size seen inside the window. */
  readonly rssBytes: number;
  /** Highest since the broker started. */
  readonly peakRssBytes: number;
}

export interface BenchReport {
  readonly plan: BenchPlan;
  /** Length of the measured window. */
  readonly seconds: number;
  readonly produced: SideReport | undefined;
  /** Latency here is per Fetch in `consume` and `fan-out`, from send to arrival in `end-to-end`. */
  readonly consumed: SideReport | undefined;
  readonly broker: BrokerReport | undefined;
  /** Open loop: above 0 means the broker did not keep up with the offered load. */
  readonly droppedRequests: number;
  /** Of the busiest generator process, in percent of one core: near 100, the generator may be the limit. */
  readonly generatorCpuPercent: number;
}

export interface BenchProgress {
  readonly phase: Phase | 'creating-topics';
  /** 0 to 1 within the phase, where it is known. */
  readonly fraction: number | undefined;
  readonly records: number;
  readonly bytes: number;
}

export interface RunOptions {
  /** The broker's process; found by its port when it is local and not given. */
  readonly pid?: number | undefined;
  readonly onProgress?: (progress: BenchProgress) => void;
  /** Ends the generators and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How often the broker's memory is looked at; costs it nothing. */
const RSS_SAMPLE_MS = 100;

/** @throws MillraceError CONFIG_INVALID, CLIENT_NETWORK, CLIENT_REFUSED (an error answer, named) or CLIENT_TIMED_OUT. */
export async function runBench(plan: BenchPlan, options: RunOptions = {}): Promise<BenchReport> {
  const progress = options.onProgress ?? (() => undefined);
  if (!plan.skipSetup) await setUpTopics(plan, progress);
  const isLocal = ['127.0.0.1', 'localhost', '::1'].includes(plan.broker.host);
  const pid = options.pid ?? (isLocal ? findListener(plan.broker.port) : undefined);
  const watch = pid === undefined ? undefined : new BrokerWatch(pid);
  const results = await runGenerators(plan, watch, progress, options.signal);
  return makeReport(plan, results, watch);
}

async function setUpTopics(plan: BenchPlan, progress: (progress: BenchProgress) => void): Promise<void> {
  const names = topicNames(plan);
  const admin = await AdminClient.connect(plan.broker);
  const told = (done: number): void =>
    progress({ phase: 'creating-topics', fraction: done / names.length, records: 0, bytes: 0 });
  try {
    if (plan.mode !== 'consume') await admin.createTopics(names, plan.partitions, told);
    await admin.checkTopics(names, plan.partitions);
  } finally {
    admin.close();
  }
}

async function runGenerators(
  plan: BenchPlan,
  watch: BrokerWatch | undefined,
  progress: (progress: BenchProgress) => void,
  signal: AbortSignal | undefined,
): Promise<ScenarioResult[]> {
  signal?.throwIfAborted();
  const moved = Array.from({ length: plan.processes }, () => ({ records: 0, bytes: 0 }));
  const generators: Generator[] = [];
  let phase: Phase = 'warming-up';
  let phaseAt = performance.now();
  const tell = (): void => progress({ phase, fraction: fractionDone(plan, phase, phaseAt, moved), ...sum(moved) });
  const kill = (): void => generators.forEach((generator) => generator.kill());
  for (let i = 0; i < plan.processes; i++) {
    const generator = startGenerator(planOfProcess(plan, i), {
      onPhase: (next) => {
        if (i !== 0) return;
        phase = next;
        phaseAt = performance.now();
        if (phase === 'measuring') watch?.open();
        if (phase === 'draining') watch?.close();
      },
      onProgress: (records, bytes) => {
        moved[i] = { records, bytes };
        tell();
      },
    });
    generators.push(generator);
  }
  signal?.addEventListener('abort', kill, { once: true });
  try {
    return await Promise.all(generators.map((generator) => generator.result));
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    kill();
    watch?.close();
    signal?.removeEventListener('abort', kill);
  }
}

type Moved = { readonly records: number; readonly bytes: number };

function sum(moved: readonly Moved[]): Moved {
  return moved.reduce((a, b) => ({ records: a.records + b.records, bytes: a.bytes + b.bytes }), {
    records: 0,
    bytes: 0,
  });
}

function fractionDone(plan: BenchPlan, phase: Phase, phaseAt: number, moved: readonly Moved[]): number | undefined {
  const elapsed = (performance.now() - phaseAt) / 1000;
  if (phase === 'warming-up') return plan.warmup === 0 ? 1 : Math.min(1, elapsed / plan.warmup);
  if (phase !== 'measuring') return undefined;
  const fraction = 'seconds' in plan.length ? elapsed / plan.length.seconds : sum(moved).records / plan.length.records;
  return Math.min(1, fraction);
}

/** CPU and memory of the broker between `open` and `close`. */
class BrokerWatch {
  readonly pid: number;
  #before: ProcessUsage | undefined;
  #after: ProcessUsage | undefined;
  #openedAt = 0;
  #seconds = 0;
  #rssBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(pid: number) {
    this.pid = pid;
  }

  open(): void {
    this.#before = readUsage(this.pid);
    this.#openedAt = performance.now();
    this.#timer = setInterval(() => this.#sample(), RSS_SAMPLE_MS);
  }

  close(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#seconds = (performance.now() - this.#openedAt) / 1000;
    this.#sample();
    this.#after = readUsage(this.pid);
  }

  report(bytes: number): BrokerReport | undefined {
    if (this.#before === undefined || this.#after === undefined) return undefined;
    const cpuSeconds = this.#after.cpuSeconds - this.#before.cpuSeconds;
    return {
      pid: this.pid,
      cpuPercent: (cpuSeconds / this.#seconds) * 100,
      cpuSecondsPerGb: cpuSeconds / (bytes / 1e9),
      rssBytes: this.#rssBytes,
      peakRssBytes: this.#after.peakRssBytes,
    };
  }

  #sample(): void {
    this.#rssBytes = Math.max(this.#rssBytes, readUsage(this.pid)?.rssBytes ?? 0);
  }
}

function makeReport(plan: BenchPlan, results: readonly ScenarioResult[], watch: BrokerWatch | undefined): BenchReport {
  const produced = makeSide(results.map((result) => [result.produced, result.seconds]));
  const consumed = makeSide(results.map((result) => [result.consumed, result.seconds]));
  return {
    plan,
    seconds: Math.max(...results.map((result) => result.seconds)),
    produced,
    consumed,
    broker: watch?.report((produced?.bytes ?? 0) + (consumed?.bytes ?? 0)),
    droppedRequests: results.reduce((total, result) => total + result.droppedRequests, 0),
    generatorCpuPercent: Math.max(...results.map((result) => (result.cpuSeconds / result.seconds) * 100)),
  };
}

/** Rates of generators add up, each over its own window. */
function makeSide(parts: readonly (readonly [MeterState | undefined, number])[]): SideReport | undefined {
  const latency = new Histogram();
  const side = { mbPerSecond: 0, recordsPerSecond: 0, requestsPerSecond: 0, requests: 0, records: 0, bytes: 0 };
  let any = false;
  for (const [state, seconds] of parts) {
    if (state === undefined) continue;
    any = true;
    latency.merge(state.latency);
    side.requests += state.requests;
    side.records += state.records;
    side.bytes += state.bytes;
    side.mbPerSecond += state.bytes / 1e6 / seconds;
    side.recordsPerSecond += state.records / seconds;
    side.requestsPerSecond += state.requests / seconds;
  }
  return any ? { ...side, latency: latency.count === 0 ? undefined : reportLatency(latency) } : undefined;
}

function reportLatency(latency: Histogram): LatencyReport {
  const ms = (quantile: number): number => latency.quantileMicros(quantile) / 1000;
  return { p50Ms: ms(0.5), p99Ms: ms(0.99), p999Ms: ms(0.999), maxMs: latency.maxMicros / 1000 };
}
