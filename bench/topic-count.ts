/** Must hold 4: what topics cost, active and idle. */
import { AdminClient } from '../src/cli/bench/admin.ts';
import { makePlan, topicNames } from '../src/cli/bench/plan.ts';
import { runBench } from '../src/cli/bench/run-bench.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { median, sleep, TemporaryDirectory } from './kit/measure.ts';
import { failedOutcome, type Outcome, plainOutcome } from './outcome.ts';

const ACTIVE_TOPICS = 1000;
const IDLE_TOPICS = 100_000;
/** Records a second: a load at which neither side is near its end, so that p99 shows the cost and not the queue. */
const OFFERED = 2000;
/** After a burst of work the collector needs a moment before memory says what is kept. */
const SETTLE_MS = 3000;

export interface TopicCountOptions {
  readonly directory: string;
  readonly seconds: number;
  readonly runs: number;
  /** In place of `bin/millrace`. */
  readonly script?: string | undefined;
  readonly idleTopics?: number;
}

/** p99 of durable 1 KB appends with 1,000 active topics over that with one, run after run side by side. */
export async function measureFlatInTopics(options: TopicCountOptions): Promise<Outcome> {
  const title = `p99 of durable 1 KB appends, ${ACTIVE_TOPICS} active topics over 1, ${OFFERED}/s offered`;
  try {
    const pairs: { one: number; many: number }[] = [];
    for (let i = 0; i < options.runs; i++) {
      pairs.push({ one: await durableP99(options, 1), many: await durableP99(options, ACTIVE_TOPICS) });
    }
    const ratios = pairs.map(({ one, many }) => many / one);
    const note = `${median(pairs.map((pair) => pair.many)).toFixed(2)} ms against ${median(pairs.map((pair) => pair.one)).toFixed(2)} ms`;
    const outcome = plainOutcome(
      'flat-in-topics',
      title,
      'x',
      median(ratios),
      { kind: 'at-most-absolute', value: 2 },
      note,
    );
    return { ...outcome, range: [Math.min(...ratios), Math.max(...ratios)], runs: ratios.length };
  } catch (error) {
    return failedOutcome('flat-in-topics', title, 'x', '≤ 2 x', error);
  }
}

async function durableP99(options: TopicCountOptions, topics: number): Promise<number> {
  using directory = new TemporaryDirectory(options.directory);
  await using broker = await BrokerProcess.start(directory.path, options.script);
  const load = { mode: 'produce', batch: 1, acks: -1, connections: 10, inFlight: 100, rate: OFFERED } as const;
  const report = await runBench(
    makePlan({ ...load, broker: broker.address, topics, length: { seconds: options.seconds * 3 }, warmup: 3 }),
    { pid: broker.pid },
  );
  if (report.droppedRequests > 0)
    throw new Error(`The broker did not keep up with ${OFFERED} records/s on ${topics} topics.`);
  return report.produced?.latency?.p99Ms ?? Number.NaN;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** Creation time, memory per topic, and start with 100,000 topics that hold nothing. */
export async function measureIdleTopics(options: TopicCountOptions): Promise<Outcome[]> {
  const count = options.idleTopics ?? IDLE_TOPICS;
  const label = count.toLocaleString('en-US');
  try {
    using directory = new TemporaryDirectory(options.directory);
    const { seconds, emptyBytes, createdBytes } = await createIdleTopics(directory.path, count, options.script);
    await using again = await BrokerProcess.start(directory.path, options.script);
    await sleep(SETTLE_MS);
    const bytes = again.usage()?.rssBytes ?? Number.NaN;
    return [
      plainOutcome('idle-create', `creating ${label} topics`, 's', seconds, { kind: 'at-most-absolute', value: 60 }),
      plainOutcome(
        'idle-rss',
        `RSS per idle topic at ${label}`,
        'bytes',
        // Both a while after a start: right after their creation the difference is mostly what V8 has not collected yet.
        (bytes - emptyBytes) / count,
        { kind: 'at-most-absolute', value: 2048 },
        `started with them ${mb(bytes)} MB, without ${mb(emptyBytes)} MB; ${mb(createdBytes)} MB right after their creation`,
      ),
      plainOutcome('idle-start', `start to first answer with ${label} topics`, 's', again.readyMs / 1000, {
        kind: 'at-most-absolute',
        value: 5,
      }),
    ];
  } catch (error) {
    return [failedOutcome('idle-topics', `${label} idle topics`, 's', '≤ 60 s', error)];
  }
}

async function createIdleTopics(
  directory: string,
  count: number,
  script: string | undefined,
): Promise<{ seconds: number; emptyBytes: number; createdBytes: number }> {
  await using broker = await BrokerProcess.start(directory, script);
  await sleep(SETTLE_MS);
  const emptyBytes = broker.usage()?.rssBytes ?? Number.NaN;
  const names = topicNames(makePlan({ mode: 'produce', broker: broker.address, topic: 'idle', topics: count }));
  const startedAt = performance.now();
  const admin = await AdminClient.connect(broker.address);
  try {
    await admin.createTopics(names, 1);
  } finally {
    admin.close();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  await sleep(SETTLE_MS);
  return { seconds, emptyBytes, createdBytes: broker.usage()?.rssBytes ?? Number.NaN };
}
