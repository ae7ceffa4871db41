/**
 * Exactly once under fire: for each client a pipeline of three workers (exactly-once-worker.ts) consumes an input topic,
 * changes each record and produces it to an output topic, in transactions with its offsets. Meanwhile the broker is
 * killed with kill -9 again and again, and workers are killed, or stopped for so long that others take their partitions
 * over, and woken again. The output, read committed, is the input transformed, each record once, in order: compared as it
 * comes, and in the end for completeness.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { encodeBatch, type ProducerFields } from '../../src/model/batch-builder.ts';
import { fetch, listTransactions, offsetFetch } from '../../src/wire/index.ts';
import { committedRecords } from '../kit/committed-reader.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { transform } from './exactly-once-model.ts';

const WORKER = fileURLToPath(new URL('./exactly-once-worker.ts', import.meta.url));
const WORKERS = 3;
const PARTITIONS = 6;
const RECORDS_PER_BATCH = 10;
const FEED_PAUSE_MS = 100;
/** A stopped worker loses its session (2 s) meanwhile: it wakes as a zombie. */
const STOP_MS = 4_000;
/** The broker is killed when each pipeline has processed so many records since the last time, or after so long. */
const PROGRESS_RECORDS = 60;
const PROGRESS_MS = 20_000;
const SETTLE_MS = 180_000;
/** Small files and a small tail: kills hit rolls, indexes and checkpoints, and transactions span files. */
const SETTINGS = [
  'journal.file.bytes=1048576',
  'checkpoint.bytes=1048576',
  'tail.cache.bytes=1048576',
  'group.min.session.timeout.ms=1000',
];

export type PipelineClient = 'kafkajs' | 'platformatic';

export interface ExactlyOnceOptions {
  readonly clients: readonly PipelineClient[];
  readonly brokerKills: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

export interface ExactlyOnceResult {
  readonly records: number;
  readonly aborted: number;
  /** Kills before which every pipeline had gone on since the one before. */
  readonly progressed: number;
  readonly workerKills: number;
  readonly workerStops: number;
  readonly workerExits: number;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs something that a dead broker breaks until it succeeds. */
async function persist<T>(broker: MillraceProcess, run: (client: RawClient) => Promise<T>): Promise<T> {
  for (;;) {
    try {
      using client = await RawClient.connect(broker.kafka);
      return await run(client);
    } catch (error) {
      if (error instanceof Broken) throw error;
      await pause(100);
    }
  }
}

/** Writes numbered records to the input, each once, for as long as it is told to. */
class Feeder {
  /** Records acknowledged, by partition. */
  readonly sent: number[] = Array.from({ length: PARTITIONS }, () => 0);
  readonly #broker: MillraceProcess;
  readonly #topic: string;
  #ended = false;

  constructor(broker: MillraceProcess, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
  }

  end(): void {
    this.#ended = true;
  }

  async run(): Promise<void> {
    const who = await persist(this.#broker, (client) => client.producerId());
    let client: RawClient | undefined;
    for (let turn = 0; !this.#ended; turn++) {
      const partition = turn % PARTITIONS;
      const sent = this.sent[partition] as number;
      const values = Array.from({ length: RECORDS_PER_BATCH }, (_, i) => inputValue(partition, sent + i));
      const producer: ProducerFields = { ...who, baseSequence: sent };
      const records = values.map((value) => ({ key: null, value, headers: [], timestamp: Date.now() }));
      for (let done = false; !done; ) {
        try {
          client ??= await RawClient.connect(this.#broker.kafka);
          await client.produceBatch(this.#topic, partition, encodeBatch(records, { producer }));
          done = true;
        } catch {
          client?.[Symbol.dispose]();
          client = undefined;
          await pause(100);
        }
      }
      this.sent[partition] = sent + values.length;
      await pause(FEED_PAUSE_MS);
    }
    client?.[Symbol.dispose]();
  }
}

/** A worker that is started again whenever it ends. */
class Worker {
  exits = 0;
  lastError = '';
  say: (line: string) => void = () => undefined;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #stopped = false;

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const child = spawn(process.execPath, [WORKER, ...this.#args], { stdio: ['ignore', 'ignore', 'pipe'] });
      this.#child = child;
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.lastError = text.slice(-500);
      });
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== null) {
        this.exits += 1;
        this.say(`${this.#args[0]} worker ended by itself: ${this.lastError.split('\n')[0]}`);
      }
      if (!this.#stopped) await pause(200);
    }
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  async freeze(): Promise<void> {
    const child = this.#child;
    child?.kill('SIGSTOP');
    await pause(STOP_MS);
    child?.kill('SIGCONT');
  }

  end(): void {
    this.#stopped = true;
    this.kill();
  }
}

class Pipeline {
  readonly client: PipelineClient;
  readonly group: string;
  readonly input: string;
  readonly output: string;
  readonly feeder: Feeder;
  readonly workers: readonly Worker[];
  readonly #broker: MillraceProcess;
  readonly #outputs: readonly Output[];

  constructor(broker: MillraceProcess, client: PipelineClient) {
    this.#broker = broker;
    this.client = client;
    this.group = `pipeline-${client}`;
    this.input = `in.${client}`;
    this.output = `out.${client}`;
    this.#outputs = Array.from({ length: PARTITIONS }, (_, partition) => new Output(this.output, partition));
    this.feeder = new Feeder(broker, this.input);
    const args = [client, broker.kafka, this.group, this.input, this.output];
    this.workers = Array.from({ length: WORKERS }, () => new Worker(args));
  }

  async create(): Promise<void> {
    using client = await RawClient.connect(this.#broker.kafka);
    await client.createTopic(this.input, PARTITIONS);
    await client.createTopic(this.output, PARTITIONS);
  }

  /** Records that the group has committed. */
  async processed(): Promise<number> {
    const lag = await this.lag();
    return this.feeder.sent.reduce((sum, count) => sum + count, 0) - lag;
  }

  /** Records that the group has not committed yet. */
  async lag(): Promise<number> {
    return await persist(this.#broker, async (client) => {
      const partitionIndexes = Array.from({ length: PARTITIONS }, (_, i) => i);
      const topics = [{ name: this.input, partitionIndexes }];
      const answer = await client.request(offsetFetch, 5, { groupId: this.group, topics });
      const committed = answer.topics[0]?.partitions ?? [];
      return this.feeder.sent.reduce((lag, end, i) => lag + end - Math.max(committed[i]?.committedOffset ?? 0, 0), 0);
    });
  }

  /**
   * Compares what the output has got since the last call.
   * @param isOver nothing comes any more: it must have all of the input.
   * @throws Error where it is not the input, transformed, from the beginning on.
   */
  async check(client: RawClient, isOver: boolean): Promise<void> {
    for (const [partition, output] of this.#outputs.entries()) {
      await output.advance(client, isOver);
      const sent = this.feeder.sent[partition] as number;
      if (isOver && output.count !== sent) {
        throw new Error(`${this.output}/${partition} has ${output.count} records, where ${sent} were expected`);
      }
    }
  }

  get checked(): { records: number; aborted: number } {
    const records = this.#outputs.reduce((sum, { count }) => sum + count, 0);
    return { records, aborted: this.#outputs.reduce((sum, { aborted }) => sum + aborted.size, 0) };
  }
}

/** One partition of an output, read committed and compared record by record as far as it has come. */
class Output {
  /** Records that were as they should be. */
  count = 0;
  /** Aborted transactions seen. */
  readonly aborted = new Set<string>();
  readonly #topic: string;
  readonly #partition: number;
  #offset = 0;

  constructor(topic: string, partition: number) {
    this.#topic = topic;
    this.#partition = partition;
  }

  /** @param toTheEnd waits until no transaction is open; else to the last stable offset. */
  async advance(client: RawClient, toTheEnd: boolean): Promise<void> {
    const partitionMaxBytes = 256 * 1024;
    const place = `${this.#topic}/${this.#partition}`;
    for (;;) {
      const partitions = [{ partition: this.#partition, fetchOffset: this.#offset, partitionMaxBytes }];
      const { responses } = await client.request(fetch, 12, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: partitionMaxBytes,
        isolationLevel: 1,
        topics: [{ topic: this.#topic, partitions }],
      });
      const answer = responses[0]?.partitions[0];
      if (answer === undefined || answer.errorCode !== 0) throw new Error(`${place}: error ${answer?.errorCode}`);
      const bytes = Buffer.from(answer.records ?? []);
      if (bytes.length === 0) {
        if (!toTheEnd || answer.lastStableOffset === answer.highWatermark) return;
        await pause(100);
        continue;
      }
      const ended = answer.abortedTransactions ?? [];
      for (const each of ended) this.aborted.add(`${each.producerId} ${each.firstOffset}`);
      for (const { value } of committedRecords(bytes, ended, this.#offset)) this.#compare(place, value);
      for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
        this.#offset = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1;
      }
    }
  }

  #compare(place: string, value: string): void {
    const expected = transform(inputValue(this.#partition, this.count));
    if (value !== expected) {
      throw new Broken(`${place}: record ${this.count} is ${value}, where ${expected} was expected`);
    }
    this.count += 1;
  }
}

/** What the whole is about, and not a broker that is down. */
class Broken extends Error {}

function inputValue(partition: number, index: number): string {
  return `p${partition}-${index}`;
}

async function harass(
  workers: readonly Worker[],
  random: SeededRandom,
  counts: { workerKills: number; workerStops: number },
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await pause(5_000 + random.below(7_000));
    if (isOver()) return;
    const worker = random.pick(workers);
    if (random.chance(0.3)) {
      counts.workerStops += 1;
      await worker.freeze();
    } else {
      counts.workerKills += 1;
      worker.kill();
    }
  }
}

/** @throws Error that names the seed where a record is missing, doubled, altered or out of order. */
export async function runExactlyOnce(options: ExactlyOnceOptions): Promise<ExactlyOnceResult> {
  const { clients, brokerKills, seed, say = () => undefined } = options;
  const random = new SeededRandom(seed);
  const counts = { workerKills: 0, workerStops: 0 };
  await using broker = await MillraceProcess.start({ settings: SETTINGS });
  const pipelines = clients.map((client) => new Pipeline(broker, client));
  for (const pipeline of pipelines) await pipeline.create();
  const workers = pipelines.flatMap((pipeline) => pipeline.workers);
  for (const worker of workers) worker.say = say;
  const working = workers.map((worker) => worker.run());
  const feeding = pipelines.map((pipeline) => pipeline.feeder.run());
  let over = false;
  let progressed = 0;
  const harassing = harass(workers, random, counts, () => over);
  try {
    for (let kill = 1; kill <= brokerKills; kill++) {
      if (await progress(pipelines)) progressed += 1;
      await pause(random.below(1_000));
      await broker.kill9();
      await broker.start();
      for (const pipeline of pipelines) await persist(broker, (client) => pipeline.check(client, false));
      const checked = pipelines.reduce((sum, pipeline) => sum + pipeline.checked.records, 0);
      say(`kill ${kill}: start ${broker.startMs} ms, ${checked} records checked, lag ${await lags(pipelines)}`);
    }
    over = true;
    for (const { feeder } of pipelines) feeder.end();
    await Promise.all([...feeding, harassing]);
    await settled(pipelines, say);
    using client = await RawClient.connect(broker.kafka);
    for (const pipeline of pipelines) await pipeline.check(client, true);
    const checked = pipelines.map((pipeline) => pipeline.checked);
    const { transactionStates } = await client.request(listTransactions, 0, {
      stateFilters: ['Ongoing'],
      producerIdFilters: [],
    });
    if (transactionStates.length > 0) throw new Error(`${transactionStates.length} transactions are open still`);
    return {
      records: checked.reduce((sum, { records }) => sum + records, 0),
      aborted: checked.reduce((sum, { aborted }) => sum + aborted, 0),
      progressed,
      ...counts,
      workerExits: workers.reduce((sum, { exits }) => sum + exits, 0),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const errors = workers.map(({ lastError }) => lastError).filter((text) => text !== '');
    throw new Error(`seed ${seed}: ${reason}\n${errors.join('\n')}\n${broker.log()}`, { cause: error });
  } finally {
    over = true;
    for (const { feeder } of pipelines) feeder.end();
    for (const worker of workers) worker.end();
    await Promise.all(working);
  }
}

/** Waits until every pipeline has gone on; false where one did not in time. */
async function progress(pipelines: readonly Pipeline[]): Promise<boolean> {
  const deadline = Date.now() + PROGRESS_MS;
  for (const pipeline of pipelines) {
    const before = await pipeline.processed();
    while ((await pipeline.processed()) < before + PROGRESS_RECORDS) {
      if (Date.now() > deadline) return false;
      await pause(100);
    }
  }
  return true;
}

async function lags(pipelines: readonly Pipeline[]): Promise<string> {
  const each = [];
  for (const pipeline of pipelines) each.push(`${pipeline.client} ${await pipeline.lag()}`);
  return each.join(', ');
}

async function settled(pipelines: readonly Pipeline[], say: (line: string) => void): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    let lag = 0;
    for (const pipeline of pipelines) lag += await pipeline.lag();
    if (lag === 0) return;
    if (Date.now() > deadline) throw new Error(`after ${SETTLE_MS} ms of peace: lag ${await lags(pipelines)}`);
    say(`in peace: lag ${await lags(pipelines)}`);
    await pause(2_000);
  }
}
