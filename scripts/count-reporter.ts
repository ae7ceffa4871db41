/** A reporter for node:test that writes the counts of a run, its skips and its failures as JSON. */
import type { TestEvent } from 'node:test/reporters';

export interface Counts {
  tests: number;
  passed: number;
  failed: number;
  cancelled: number;
  skipped: number;
  todo: number;
  durationMs: number;
  skips: string[];
  failures: string[];
}

export const NO_COUNTS: Counts = {
  tests: 0,
  passed: 0,
  failed: 0,
  cancelled: 0,
  skipped: 0,
  todo: 0,
  durationMs: 0,
  skips: [],
  failures: [],
};

export function add(a: Counts, b: Counts): Counts {
  return {
    tests: a.tests + b.tests,
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
    skipped: a.skipped + b.skipped,
    todo: a.todo + b.todo,
    durationMs: a.durationMs + b.durationMs,
    skips: [...a.skips, ...b.skips],
    failures: [...a.failures, ...b.failures],
  };
}

export default async function* count(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: Counts = { ...NO_COUNTS, skips: [], failures: [] };
  for await (const event of source) {
    if (event.type === 'test:pass' && event.data.skip !== undefined && event.data.skip !== false) {
      counts.skips.push(`${event.data.name}${typeof event.data.skip === 'string' ? `: ${event.data.skip}` : ''}`);
    } else if (event.type === 'test:fail' && event.data.todo === undefined && isLeaf(event.data.details.error)) {
      counts.failures.push(`${event.data.file ?? ''} › ${event.data.name}`);
    } else if (event.type === 'test:summary' && event.data.file === undefined) {
      Object.assign(counts, {
        tests: event.data.counts.tests,
        passed: event.data.counts.passed,
        failed:
          event.data.counts.tests -
          event.data.counts.passed -
          event.data.counts.skipped -
          event.data.counts.todo -
          event.data.counts.cancelled,
        cancelled: event.data.counts.cancelled,
        skipped: event.data.counts.skipped,
        todo: event.data.counts.todo,
        durationMs: event.data.duration_ms,
      });
    }
  }
  yield JSON.stringify(counts);
}

/** A suite or file that failed only because of what it contains would be named twice. */
function isLeaf(error: unknown): boolean {
  return (error as { failureType?: string } | undefined)?.failureType !== 'subtestsFailed';
}
