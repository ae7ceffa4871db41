/**
 * Proves that every metric of the tables is in `/metrics` text with a sound value, that docs/metrics.md lists exactly
 * these, and that histograms are cumulative. To write the document anew: MILLRACE_WRITE_DOCS=1 node --test <this file>.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { systemClock } from '../../base/clock.ts';
import { LATENCY_BUCKETS_SECONDS, LatencyHistogram } from '../../base/latency-histogram.ts';
import { Broker } from '../../broker/broker.ts';
import { NodeDisk } from '../../journal/node-disk.ts';
import { HttpCounters } from '../../listeners/http/counters.ts';
import { newMetrics } from '../../listeners/kafka/metrics.ts';
import { SERVED_APIS } from '../../listeners/kafka/registry.ts';
import { WebSocketCounters } from '../../listeners/ws/counters.ts';
import { MeteredDisk } from '../metered-disk.ts';
import { bindAllMetrics, METRIC_TABLES } from './metric-tables.ts';
import { bindMetrics, type MetricDefinition, Metrics } from './metrics.ts';

const DOCUMENT = new URL('../../../docs/metrics.md', import.meta.url);

const DEFINITIONS = METRIC_TABLES.flatMap(({ definitions }) => definitions);

function document(): string {
  const parts = [
    '# Metrics',
    '',
    'What `GET /metrics` answers, in the Prometheus text format 0.0.4. Names are API. This page is made from the tables in',
    '`src/server/metrics` and checked against them.',
    '',
    'Counters (`_total`) grow while the process lives and begin at 0 with it, except where the text says otherwise.',
    `Histograms have the buckets ${LATENCY_BUCKETS_SECONDS.join(', ')} seconds.`,
    '',
    'Besides these there are `process_*` (CPU, memory, file descriptors, start time) and `nodejs_*` (event loop delay,',
    'heap, garbage collection, handles), as every Node program with the usual Prometheus library has them.',
  ];
  for (const { title, definitions } of METRIC_TABLES) {
    parts.push('', `## ${title}`, '', '| metric | kind | unit | counts |', '|---|---|---|---|');
    for (const { name, kind, unit, help } of definitions) parts.push(`| \`${name}\` | ${kind} | ${unit} | ${help} |`);
  }
  return `${parts.join('\n')}\n`;
}

test('docs/metrics.md is made from the tables', () => {
  if (process.env['MILLRACE_WRITE_DOCS'] === '1') writeFileSync(DOCUMENT, document());
  assert.equal(readFileSync(DOCUMENT, 'utf8'), document());
});

test('names follow Prometheus: our prefix, _total for counters, the unit at the end', () => {
  for (const { name, kind, unit, help } of DEFINITIONS) {
    assert.match(name, /^millrace_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), kind === 'counter', name);
    if (kind === 'histogram') assert.ok(name.endsWith(`_${unit}`), name);
    assert.match(help, /^[A-Z0-9].*\.$/);
  }
});

test('every metric has a value while a broker works', { timeout: 60_000 }, async () => {
  using directory = new TempDirectory();
  const disk = new MeteredDisk(new NodeDisk(), systemClock);
  const broker = await Broker.open({ directory: directory.path, disk, clock: systemClock });
  try {
    const http = new HttpCounters();
    http.answered('GET', '/v1/topics/:name', 200);
    http.answered('GET', '/v1/topics/:name', 200);
    const kafka = newMetrics(SERVED_APIS.map(({ key }) => key));
    kafka.requests[1] = 4;
    const sources = {
      broker,
      transactions: broker.transactions,
      messageIds: broker.messageIds,
      disk: disk.counters,
      kafka,
      http,
      webSocket: new WebSocketCounters(),
    };
    const metrics = new Metrics(() => Promise.resolve(bindAllMetrics(sources)));
    const topic = await broker.topics.create({ name: 'metered', partitions: 2 });
    await produce(broker, topic, 0, batchOf(['a', 'b', 'c']));
    const anew = { producerId: -1, producerEpoch: -1 };
    await broker.transactions.initProducerId({ transactionalId: 'metered', timeoutMs: 1_000, ...anew });
    const { text } = await metrics.render();
    for (const { name, kind } of DEFINITIONS) {
      assert.ok(text.includes(`# TYPE ${name} ${kind}\n`), name);
    }
    assert.match(text, /^millrace_ready 1$/m);
    assert.match(text, /^millrace_topics 1$/m);
    assert.match(text, /^millrace_partitions 2$/m);
    assert.match(text, /^millrace_produce_records_total 3$/m);
    assert.match(text, /^millrace_kafka_requests_total\{api="Fetch"\} 4$/m);
    assert.match(text, /^millrace_groups\{phase="stable"\} 0$/m);
    assert.match(text, /^millrace_transactional_ids 1$/m);
    assert.match(text, /^millrace_transactions_open 0$/m);
    assert.match(text, /^millrace_transactions_ended_total\{outcome="timed_out"\} 0$/m);
    assert.match(text, /^millrace_http_requests_total\{method="GET",route="\/v1\/topics\/:name",status="200"\} 2$/m);
    assert.match(text, /^millrace_disk_sync_duration_seconds_bucket\{le="\+Inf"\} [1-9]\d*$/m);
    assert.match(text, /^nodejs_eventloop_lag_p99_seconds \d/m);
    assert.match(text, /^process_resident_memory_bytes \d/m);
    assert.doesNotMatch(text, /NaN|undefined/);
  } finally {
    await broker.close();
  }
});

test('histogram buckets count everything up to their end', () => {
  const histogram = new LatencyHistogram();
  for (const ms of [0.01, 0.05, 0.06, 5, 9_999, 20_000]) histogram.addMs(ms);
  const definition: MetricDefinition<LatencyHistogram> = {
    name: 'h',
    kind: 'histogram',
    unit: 'seconds',
    help: 'H.',
    read: (source) => source,
  };
  const values = bindMetrics([definition], histogram)[0]?.values() ?? [];
  const upTo = (le: number | string) => values.find((value) => value.labels['le'] === le)?.value;
  assert.equal(upTo(0.00005), 2);
  assert.equal(upTo(0.0001), 3);
  assert.equal(upTo(0.005), 4);
  assert.equal(upTo(10), 5);
  assert.equal(upTo('+Inf'), 6);
  assert.equal(values.at(-1)?.value, 6);
  assert.ok(Math.abs((values.at(-2)?.value ?? 0) - 30.00412) < 1e-9);
});
