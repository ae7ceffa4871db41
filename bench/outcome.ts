/** A case's result held against what is asked, and results as a markdown table. */
import type { Bound, SpeedCase } from './cases.ts';
import { median } from './kit/measure.ts';

export type Verdict = 'pass' | 'miss' | 'failed' | 'info';

export interface Outcome {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Median over the runs; NaN when the case failed. */
  readonly value: number;
  /** Lowest and highest of the runs. */
  readonly range: readonly [number, number];
  readonly runs: number;
  /** Value over the limit measured beside it, median over the runs; undefined for absolute bounds. */
  readonly ratio: number | undefined;
  readonly limit: string;
  readonly asked: string;
  readonly verdict: Verdict;
  /** Of the broker, highest over the runs; bytes. */
  readonly peakRssBytes: number;
  /** CPU seconds of the broker per 10^9 bytes, median. */
  readonly cpuSecondsPerGb: number;
  readonly note: string;
}

/** One run of a case. */
export interface Sample {
  readonly value: number;
  /** Of the limit that the bound names, measured right before; NaN where it names none. */
  readonly limit: number;
  /** D, measured right before; NaN where the case does not fill the disk. */
  readonly durableMb: number;
  readonly peakRssBytes: number;
  readonly cpuSecondsPerGb: number;
  /** The generator had no more to give while the broker had: the figure is a floor. */
  readonly generatorBound: boolean;
}

/** 1 at the bound, above it on the good side; what decides over pass and miss. */
export function marginOf(bound: Bound, sample: Pick<Sample, 'value' | 'limit'>): number {
  switch (bound.kind) {
    case 'at-least':
      return sample.value / (bound.factor * sample.limit);
    case 'at-most':
      return (bound.factor * sample.limit + (bound.plus ?? 0)) / sample.value;
    case 'at-least-absolute':
      return sample.value / bound.value;
    case 'at-most-absolute':
      return bound.value / sample.value;
    case 'none':
      return Number.POSITIVE_INFINITY;
    default:
      return bound satisfies never;
  }
}

export function describeBound(bound: Bound, unit: string): string {
  switch (bound.kind) {
    case 'at-least':
      return `≥ ${bound.factor} ${bound.limit}`;
    case 'at-most':
      return `≤ ${bound.factor} ${bound.limit}${bound.plus === undefined ? '' : ` + ${bound.plus} ${unit}`}`;
    case 'at-least-absolute':
      return `≥ ${bound.value.toLocaleString('en-US')} ${unit}`;
    case 'at-most-absolute':
      return `≤ ${bound.value} ${unit}`;
    case 'none':
      return '–';
    default:
      return bound satisfies never;
  }
}

/** @param samples at least one. The verdict is that of the median margin, so that one noisy minute decides nothing. */
export function summarize(speedCase: SpeedCase, samples: readonly Sample[]): Outcome {
  const { id, title, unit, bound } = speedCase;
  const values = samples.map((sample) => sample.value);
  const hasLimit = 'limit' in bound;
  const margin = median(samples.map((sample) => marginOf(bound, sample)));
  return {
    id,
    title,
    unit,
    value: median(values),
    range: [Math.min(...values), Math.max(...values)],
    runs: samples.length,
    ratio: hasLimit ? median(samples.map((sample) => sample.value / sample.limit)) : undefined,
    limit: hasLimit ? `${bound.limit} = ${formatNumber(median(samples.map((sample) => sample.limit)))}` : '–',
    asked: describeBound(bound, unit),
    verdict: bound.kind === 'none' ? 'info' : margin >= 1 ? 'pass' : 'miss',
    peakRssBytes: Math.max(...samples.map((sample) => sample.peakRssBytes)),
    cpuSecondsPerGb: median(samples.map((sample) => sample.cpuSecondsPerGb)),
    note: noteOf(samples),
  };
}

function noteOf(samples: readonly Sample[]): string {
  const notes: string[] = [];
  if (samples.some((sample) => sample.generatorBound)) notes.push('the generator was the limit');
  const durableMb = median(samples.map((sample) => sample.durableMb));
  if (!Number.isNaN(durableMb)) {
    const share = median(samples.map((sample) => sample.value / sample.durableMb));
    notes.push(`${share.toFixed(2)} D, with D = ${formatNumber(durableMb)}`);
  }
  return notes.join('; ');
}

/** A case that could not be measured stands in the table with its reason. */
export function failedOutcome(id: string, title: string, unit: string, asked: string, error: unknown): Outcome {
  const note = error instanceof Error ? error.message : String(error);
  const none = { value: Number.NaN, range: [Number.NaN, Number.NaN], runs: 0, ratio: undefined, limit: '–' } as const;
  return {
    id,
    title,
    unit,
    asked,
    verdict: 'failed',
    peakRssBytes: Number.NaN,
    cpuSecondsPerGb: Number.NaN,
    note,
    ...none,
  };
}

/** A figure with an absolute bound that no speed case covers: memory, start times, ratios of two runs. */
export function plainOutcome(
  id: string,
  title: string,
  unit: string,
  value: number,
  bound: { readonly kind: 'at-most-absolute'; readonly value: number },
  note = '',
): Outcome {
  const verdict = value <= bound.value ? 'pass' : 'miss';
  const asked = describeBound(bound, unit);
  const none = { ratio: undefined, limit: '–', peakRssBytes: Number.NaN, cpuSecondsPerGb: Number.NaN } as const;
  return { id, title, unit, value, range: [value, value], runs: 1, asked, verdict, note, ...none };
}

export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(2);
}

export function outcomeTable(outcomes: readonly Outcome[]): string {
  const lines = [
    '| case | result | range, n | limit beside it | ratio | asked | | broker CPU s/GB | peak RSS MB |',
    '|---|---|---|---|---|---|---|---|---|',
  ];
  for (const outcome of outcomes) {
    const { title, unit, value, range, runs, limit, ratio, asked, verdict, note } = outcome;
    const result = `${formatNumber(value)} ${unit}`;
    const spread = `${formatNumber(range[0])}–${formatNumber(range[1])}, ${runs}`;
    const rss = formatNumber(outcome.peakRssBytes / 1e6);
    const said = note === '' ? verdict : `${verdict}: ${note.replaceAll('|', '/').replaceAll('\n', ' ')}`;
    lines.push(
      `| ${title} | ${result} | ${spread} | ${limit} | ${ratio === undefined ? '–' : ratio.toFixed(2)} | ${asked} | ${said} | ${formatNumber(outcome.cpuSecondsPerGb)} | ${rss} |`,
    );
  }
  return `${lines.join('\n')}\n`;
}
