/** The speed cases of `suite.ts` as data: the work, the figure taken, and what is asked of it. */
import type { BenchMode, BenchPlan } from '../src/cli/bench/plan.ts';
import type { BenchReport, SideReport } from '../src/cli/bench/run-bench.ts';
import { PIPELINED_SINGLES } from './limits.ts';

/** Limits by the letter used in `limits.ts`. */
export type LimitName = 'N' | 'E' | 'F';

/** What a figure must be, given the limit measured right before it. */
export type Bound =
  | { readonly kind: 'at-least'; readonly factor: number; readonly limit: LimitName }
  | { readonly kind: 'at-most'; readonly factor: number; readonly limit: LimitName; readonly plus?: number }
  | { readonly kind: 'at-least-absolute'; readonly value: number }
  | { readonly kind: 'at-most-absolute'; readonly value: number }
  /** Shown beside the others; nothing is asked. */
  | { readonly kind: 'none'; readonly limit: LimitName };

export interface SpeedCase {
  readonly id: string;
  readonly title: string;
  readonly plan: Partial<BenchPlan> & { readonly mode: BenchMode };
  /** Bytes of records that the topic holds before the run; 0 = none. */
  readonly fillBytes: number;
  readonly unit: 'MB/s' | 'records/s' | 'requests/s' | 'ms';
  readonly figure: (report: BenchReport) => number;
  readonly bound: Bound;
  /** All that it moves goes to the disk: D is measured beside it too, and stands in the note. */
  readonly fillsDisk?: true;
}

const ALL = -1;
/** More than any tail cache, less than any page cache. */
const BEYOND_TAIL_CACHE_BYTES = 1_000_000_000;
/** Well within the broker's tail cache. */
const WITHIN_TAIL_CACHE_BYTES = 16_000_000;

function side(report: BenchReport, which: 'produced' | 'consumed'): SideReport {
  const found = report[which];
  if (found === undefined) throw new Error(`The run has no ${which} side.`);
  return found;
}

const producedMb = (report: BenchReport): number => side(report, 'produced').mbPerSecond;
const consumedMb = (report: BenchReport): number => side(report, 'consumed').mbPerSecond;
const producedRecords = (report: BenchReport): number => side(report, 'produced').recordsPerSecond;
const producedP99 = (report: BenchReport): number => side(report, 'produced').latency?.p99Ms ?? Number.NaN;
const consumedP99 = (report: BenchReport): number => side(report, 'consumed').latency?.p99Ms ?? Number.NaN;

const atLeast = (factor: number, limit: LimitName): Bound => ({ kind: 'at-least', factor, limit });
const large = { mode: 'produce', batch: 1000, connections: 4, inFlight: 5 } as const;
const consume = { mode: 'consume', connections: 4, fetchBytes: 1024 * 1024 } as const;
const endToEnd = { mode: 'end-to-end', batch: 1, rate: 500 } as const;

export const SPEED_CASES: readonly SpeedCase[] = [
  {
    id: 'produce-1000-written',
    title: 'produce 1000 x 1 KB, 4 connections, 5 in flight, acks=1',
    plan: { ...large, acks: 1 },
    fillBytes: 0,
    unit: 'MB/s',
    figure: producedMb,
    bound: atLeast(0.3, 'N'),
    fillsDisk: true,
  },
  {
    id: 'produce-1000-synced',
    title: 'produce 1000 x 1 KB, 4 connections, 5 in flight, acks=all',
    plan: { ...large, acks: ALL },
    fillBytes: 0,
    unit: 'MB/s',
    figure: producedMb,
    bound: atLeast(0.24, 'N'),
    fillsDisk: true,
  },
  {
    id: 'produce-100-synced',
    title: 'produce 100 x 1 KB, 10 connections, 5 in flight, acks=all',
    plan: { mode: 'produce', batch: 100, connections: 10, inFlight: 5, acks: ALL },
    fillBytes: 0,
    unit: 'MB/s',
    figure: producedMb,
    bound: atLeast(0.15, 'N'),
    fillsDisk: true,
  },
  {
    id: 'single-latency',
    title: 'single 1 KB, 10 connections, 1 in flight, acks=all, p99',
    plan: { mode: 'produce', batch: 1, connections: 10, inFlight: 1, acks: ALL },
    fillBytes: 0,
    unit: 'ms',
    figure: producedP99,
    bound: { kind: 'at-most', factor: 5, limit: 'F' },
  },
  {
    id: 'single-100-topics',
    title: 'single 1 KB, 100 connections over 100 topics, acks=all',
    plan: { mode: 'produce', batch: 1, connections: 100, topics: 100, inFlight: 1, acks: ALL },
    fillBytes: 0,
    unit: 'records/s',
    figure: producedRecords,
    bound: { kind: 'at-least-absolute', value: 30_000 },
  },
  {
    id: 'single-pipelined',
    title: 'single 100 B, 10 connections, 5 in flight, acks=1',
    plan: { ...PIPELINED_SINGLES, acks: 1 },
    fillBytes: 0,
    unit: 'requests/s',
    figure: producedRecords,
    bound: atLeast(0.5, 'E'),
  },
  {
    id: 'single-pipelined-synced',
    title: 'single 100 B, 10 connections, 5 in flight, acks=all',
    plan: { ...PIPELINED_SINGLES, acks: ALL },
    fillBytes: 0,
    unit: 'requests/s',
    figure: producedRecords,
    bound: { kind: 'none', limit: 'E' },
  },
  {
    id: 'consume-page-cache',
    title: 'consume from the page cache, 1 MiB fetches, 4 connections',
    plan: consume,
    fillBytes: BEYOND_TAIL_CACHE_BYTES,
    unit: 'MB/s',
    figure: consumedMb,
    bound: atLeast(0.55, 'N'),
  },
  {
    id: 'consume-memory',
    title: 'consume the newest 16 MB from memory, 1 MiB fetches, 4 connections',
    plan: consume,
    fillBytes: WITHIN_TAIL_CACHE_BYTES,
    unit: 'MB/s',
    figure: consumedMb,
    bound: atLeast(0.6, 'N'),
  },
  {
    id: 'fan-out-100',
    title: 'fan-out of 100 x 1 KB batches to 100 tailing consumers, in sum',
    plan: { mode: 'fan-out', batch: 100, consumers: 100, acks: 1 },
    fillBytes: 0,
    unit: 'MB/s',
    figure: consumedMb,
    bound: atLeast(0.5, 'N'),
  },
  {
    id: 'end-to-end-written',
    title: 'end to end, 500 records/s of 1 KB, acks=1, p99',
    plan: { ...endToEnd, acks: 1 },
    fillBytes: 0,
    unit: 'ms',
    figure: consumedP99,
    bound: { kind: 'at-most-absolute', value: 1 },
  },
  {
    id: 'end-to-end-synced',
    title: 'end to end, 500 records/s of 1 KB, acks=all, p99',
    plan: { ...endToEnd, acks: ALL },
    fillBytes: 0,
    unit: 'ms',
    figure: consumedP99,
    bound: { kind: 'at-most', factor: 3, limit: 'F', plus: 1 },
  },
];
