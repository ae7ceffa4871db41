/** From tables of metrics (`metric-tables.ts`) and their sources to the text of `/metrics`. */
import type { Metric, Registry } from '@prometheus-io/client';
import { assert } from '../../base/errors.ts';
import { LATENCY_BUCKETS_SECONDS, type LatencyHistogram } from '../../base/latency-histogram.ts';

export type MetricUnit = 'requests' | 'records' | 'bytes' | 'seconds' | 'count' | 'ratio';

/** One value of a metric with several. */
export interface LabelledValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface MetricCommon {
  readonly name: string;
  readonly unit: MetricUnit;
  /** A sentence. */
  readonly help: string;
}

/** Counters only grow while the process lives. */
export type MetricDefinition<S> =
  | (MetricCommon & {
      readonly kind: 'counter' | 'gauge';
      readonly read: (source: S) => number | readonly LabelledValue[];
    })
  | (MetricCommon & { readonly kind: 'histogram'; readonly read: (source: S) => LatencyHistogram });

/** A metric with its source: what the registry asks. */
export interface BoundMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  values(): SeriesValue[];
}

interface SeriesValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export function bindMetrics<S>(definitions: readonly MetricDefinition<S>[], source: S): BoundMetric[] {
  return definitions.map((definition) => ({
    name: definition.name,
    help: definition.help,
    type: definition.kind,
    values: () =>
      definition.kind === 'histogram'
        ? histogramValues(definition.name, definition.read(source))
        : plainValues(definition.name, definition.read(source)),
  }));
}

/** All metrics of one server in one registry of its own, so that several servers in a process do not meet. */
export class Metrics {
  readonly #bound: () => Promise<readonly BoundMetric[]>;
  #registry: Promise<Registry> | undefined;

  /** @param bound asked once, when the registry is made. Names are unique. */
  constructor(bound: () => Promise<readonly BoundMetric[]>) {
    this.#bound = bound;
  }

  /**
   * Makes the registry; those of the process and of Node (CPU, memory, event loop delay, garbage collection) count from
   * here. Its library takes 30 ms to load, so that a start does it when it is done, and `render` at the latest.
   */
  load(): Promise<Registry> {
    return (this.#registry ??= makeRegistry(this.#bound));
  }

  /** Prometheus text format 0.0.4. */
  async render(): Promise<{ contentType: string; text: string }> {
    const registry = await this.load();
    return { contentType: registry.contentType, text: await registry.metrics() };
  }
}

async function makeRegistry(bound: () => Promise<readonly BoundMetric[]>): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('@prometheus-io/client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const metric of await bound()) {
    const { name, help, type } = metric;
    assert(registry.getSingleMetric(name) === undefined, `a metric has one source: ${name}`);
    // The registry takes anything that answers `get`; its types name only its own classes.
    const readable = { name, help, type, get: () => Promise.resolve({ name, help, type, values: metric.values() }) };
    registry.registerMetric(readable as unknown as Metric<string>);
  }
  return registry;
}

function plainValues(name: string, read: number | readonly LabelledValue[]): SeriesValue[] {
  if (typeof read === 'number') return [{ metricName: name, labels: {}, value: read }];
  return read.map(({ labels, value }) => ({ metricName: name, labels, value }));
}

/** Prometheus wants each bucket to count everything up to its end. */
function histogramValues(name: string, histogram: LatencyHistogram): SeriesValue[] {
  const values: SeriesValue[] = [];
  let upTo = 0;
  for (const [i, le] of LATENCY_BUCKETS_SECONDS.entries()) {
    upTo += histogram.counts[i] as number;
    values.push({ metricName: `${name}_bucket`, labels: { le }, value: upTo });
  }
  values.push({ metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: histogram.count });
  values.push({ metricName: `${name}_sum`, labels: {}, value: histogram.sumMs / 1000 });
  values.push({ metricName: `${name}_count`, labels: {}, value: histogram.count });
  return values;
}
