/** A run as text for people; programs get the report itself as JSON. */
import type { BenchPlan } from './plan.ts';
import type { BenchProgress, BenchReport, SideReport } from './run-bench.ts';

export function formatReport(report: BenchReport): string {
  const { plan, produced, consumed, broker } = report;
  const lines = [`${plan.mode} on ${plan.broker.host}:${plan.broker.port}: ${describeWork(plan)}`, ''];
  lines.push(row('', 'MB/s', 'records/s', 'requests/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'));
  if (produced !== undefined) lines.push(sideRow('produced', produced));
  if (consumed !== undefined) lines.push(sideRow('consumed', consumed));
  lines.push('', `window ${report.seconds.toFixed(1)} s; ${latencyMeaning(plan)}`);
  lines.push(`generator: CPU ${report.generatorCpuPercent.toFixed(0)} % of one core${generatorHint(report)}`);
  if (broker !== undefined) {
    const { pid, cpuPercent, cpuSecondsPerGb, rssBytes, peakRssBytes } = broker;
    lines.push(
      `broker pid ${pid}: CPU ${cpuPercent.toFixed(0)} %, ${cpuSecondsPerGb.toFixed(2)} s per GB, ` +
        `RSS ${megabytes(rssBytes)} in the window, ${megabytes(peakRssBytes)} since start`,
    );
  }
  if (report.droppedRequests > 0) {
    lines.push(
      `${report.droppedRequests} requests were due and never sent: the broker did not keep up with the offered load.`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** A generator without a free moment, beside a broker with some, measures itself. */
export function isGeneratorBound({ generatorCpuPercent, broker }: BenchReport): boolean {
  return generatorCpuPercent > 90 && (broker === undefined || broker.cpuPercent < 80);
}

function generatorHint(report: BenchReport): string {
  if (!isGeneratorBound(report)) return '';
  const canSplit = report.plan.mode === 'produce' || report.plan.mode === 'consume';
  return `: it may be the limit${canSplit ? '; try --processes 2' : ''}`;
}

function describeWork(plan: BenchPlan): string {
  const parts = [
    `${plan.batch} x ${plan.size} B`,
    `${plan.topics} topic${plan.topics === 1 ? '' : 's'}`,
    `${plan.connections} connection${plan.connections === 1 ? '' : 's'}`,
  ];
  if (plan.partitions > 1) parts.splice(2, 0, `${plan.partitions} partitions each`);
  if (plan.mode === 'consume') parts[0] = `fetches of ${plan.fetchBytes} bytes`;
  else parts.push(`${plan.inFlight} in flight`, `acks=${plan.acks === -1 ? 'all' : plan.acks}`);
  if (plan.mode === 'fan-out' || plan.mode === 'end-to-end') parts.push(`${plan.consumers} tailing consumers`);
  if (plan.rate !== undefined && plan.mode !== 'consume') parts.push(`${plan.rate} records/s offered`);
  return parts.join(', ');
}

function latencyMeaning(plan: BenchPlan): string {
  if (plan.mode === 'end-to-end') return 'latency: produced = send to ack, consumed = send to arrival at the consumer';
  if (plan.mode === 'fan-out') return 'latency: produced = send to ack, consumed = a fetch, waiting for data included';
  return plan.mode === 'produce'
    ? 'latency: request sent (or due, with --rate) to ack'
    : 'latency: fetch sent to its last byte';
}

function sideRow(name: string, side: SideReport): string {
  const { latency } = side;
  const times =
    latency === undefined ? ['–', '–', '–', '–'] : Object.values<number>({ ...latency }).map((ms) => ms.toFixed(2));
  return row(name, side.mbPerSecond.toFixed(1), whole(side.recordsPerSecond), whole(side.requestsPerSecond), ...times);
}

const WIDTHS = [10, 10, 12, 12, 10, 10, 10, 10];

function row(...cells: string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(10) : cell.padStart(WIDTHS[i] ?? 10)))
    .join('')
    .trimEnd();
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

const BAR_CELLS = 20;

/** One line for a terminal, to be written over itself. */
export function formatProgress(progress: BenchProgress, seconds: number): string {
  const { phase, fraction, records, bytes } = progress;
  const filled = Math.round((fraction ?? 0) * BAR_CELLS);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}]`;
  const rates =
    phase === 'measuring' && seconds > 0
      ? `  ${(bytes / 1e6 / seconds).toFixed(0)} MB/s  ${whole(records / seconds)} records/s`
      : '';
  return `${phase.replace('-', ' ').padEnd(15)} ${bar} ${String(Math.round((fraction ?? 0) * 100)).padStart(3)} %${rates}`;
}
