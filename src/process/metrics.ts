/** What a running pipeline counts. */

/** Counters of one step; they only grow. */
export interface StepMetrics {
  readonly step: string;
  /** Items that came. */
  in: number;
  /** Items that were handed on (a sink: taken). */
  out: number;
  /** Items that the step let go on purpose: a filter's, tombstones of state. */
  dropped: number;
  /** Calls of the step's function that were made again. */
  retried: number;
  /** Items that went to the dead letters. */
  deadLettered: number;
  /** Items that came after their window had closed. */
  late: number;
  /** Items being worked on, or held for later. */
  inFlight: number;
}

/** What a pipeline counted until now. */
export interface PipelineMetrics {
  readonly steps: readonly Readonly<StepMetrics>[];
  /** Records read from the source. */
  readonly recordsRead: number;
  readonly commits: number;
  readonly restarts: number;
  /** Event time that the pipeline has reached; undefined before the first record. */
  readonly watermarkMs: number | undefined;
  /** How long ago the oldest record was read that is not committed; 0 where all are. */
  readonly uncommittedMs: number;
}

function newStepMetrics(step: string): StepMetrics {
  return { step, in: 0, out: 0, dropped: 0, retried: 0, deadLettered: 0, late: 0, inFlight: 0 };
}

/** All counters of a job; they go on when a pipeline is started again. */
export class Counters {
  readonly steps: StepMetrics[] = [];
  commits = 0;
  /** Names given out by the attempt that opens. */
  #names = new Map<string, number>();

  /** An attempt opens: the same names mean the same steps again. */
  begin(): void {
    this.#names = new Map();
    for (const step of this.steps) step.inFlight = 0;
  }

  /** Names are told apart by a number. */
  step(name: string): StepMetrics {
    const number = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, number);
    const unique = number === 1 ? name : `${name} #${number}`;
    const known = this.steps.find(({ step }) => step === unique);
    if (known !== undefined) return known;
    const metrics = newStepMetrics(unique);
    this.steps.push(metrics);
    return metrics;
  }
}

/** Name of the metric, field of it, what it counts. */
const STEP_METRICS = [
  ['millrace_process_step_in_total', 'in', 'counter', 'Items that came to the step.'],
  ['millrace_process_step_out_total', 'out', 'counter', 'Items that the step handed on.'],
  ['millrace_process_step_dropped_total', 'dropped', 'counter', 'Items that the step let go on purpose.'],
  ['millrace_process_step_retried_total', 'retried', 'counter', 'Calls that were made again.'],
  ['millrace_process_step_dead_lettered_total', 'deadLettered', 'counter', 'Items that went to the dead letters.'],
  ['millrace_process_step_late_total', 'late', 'counter', 'Items that came after their window had closed.'],
  ['millrace_process_step_in_flight', 'inFlight', 'gauge', 'Items being worked on, or held for later.'],
] as const;

/**
 * The metrics in the text format of Prometheus, for a program that serves them.
 *
 * ```ts
 * server.get('/metrics', () => metricsText(job.metrics(), { pipeline: 'strong' }));
 * ```
 */
export function metricsText(metrics: PipelineMetrics, labels: Readonly<Record<string, string>> = {}): string {
  const lines: string[] = [];
  const common = Object.entries(labels).map(([name, value]) => label(name, value));
  const add = (name: string, type: string, help: string, samples: readonly (readonly [string[], number])[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [own, value] of samples) {
      const all = [...common, ...own].join(',');
      lines.push(`${name}${all === '' ? '' : `{${all}}`} ${value}`);
    }
  };
  add('millrace_process_records_read_total', 'counter', 'Records read from the source.', [[[], metrics.recordsRead]]);
  add('millrace_process_commits_total', 'counter', 'Commits of the source.', [[[], metrics.commits]]);
  add('millrace_process_restarts_total', 'counter', 'Starts after a failure.', [[[], metrics.restarts]]);
  add('millrace_process_uncommitted_seconds', 'gauge', 'Age of the oldest record that is read and not committed.', [
    [[], metrics.uncommittedMs / 1000],
  ]);
  if (metrics.watermarkMs !== undefined && Number.isFinite(metrics.watermarkMs))
    add('millrace_process_watermark_seconds', 'gauge', 'Event time that the pipeline has reached.', [
      [[], metrics.watermarkMs / 1000],
    ]);
  for (const [name, field, type, help] of STEP_METRICS)
    add(
      name,
      type,
      help,
      metrics.steps.map((step) => [[label('step', step.step)], step[field]]),
    );
  return `${lines.join('\n')}\n`;
}

function label(name: string, value: string): string {
  return `${name}="${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}
