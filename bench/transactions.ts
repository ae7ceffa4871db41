/**
 * Transactions a second, and what one alone waits for: producers on connections of their own, each with a transactional
 * id and a partition, one transaction of ten records after the other (one batch, no consumer offsets), in both protocols.
 *
 *   node bench/transactions.ts [--seconds 5] [--producers 32] [--rounds 3] [--dir DIR]
 *
 * First protocol: AddPartitionsToTxn 3, Produce 9, EndTxn 3. Second (KIP-890): Produce 12, EndTxn 5. The bounds are those
 * of issue 3: 2,000 commits a second with 32 producers; alone, a commit (EndTxn) at most four times a bare fdatasync,
 * both as p50. A disk shared with others changes by the second, so both are measured in turns, round by round, and the
 * figures are medians; a round whose fdatasync is far from the others' is visible as such. Some 80 seconds.
 * Exit code 1 where the protocol that current clients choose misses one.
 */
import { parseArgs } from 'node:util';
import { Histogram } from '../src/cli/bench/histogram.ts';
import { encodeBatch } from '../src/model/batch-builder.ts';
import { addPartitionsToTxn, endTxn, errorName, initProducerId, produce } from '../src/wire/index.ts';
import { RawClient } from '../test/kit/raw-client.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { TemporaryDirectory } from './kit/measure.ts';
import { measureSync } from './limits.ts';

const RECORDS = 10;
const RECORD_BYTES = 100;
const WARMUP_MS = 1000;
const MIN_COMMITS = 2000;
const MAX_SYNCS = 4;
const TOPIC = 'transactions';

type Protocol = 1 | 2;

interface Load {
  readonly protocol: Protocol;
  readonly producers: number;
  readonly seconds: number;
}

interface Outcome {
  readonly commitsPerSecond: number;
  /** EndTxn alone. */
  readonly commit: Histogram;
  /** From the first request to the end's answer. */
  readonly whole: Histogram;
}

interface Window {
  readonly from: number;
  readonly to: number;
}

function check(errorCode: number | undefined, what: string): void {
  if (errorCode !== 0) throw new Error(`${what}: ${errorCode === undefined ? 'no answer' : errorName(errorCode)}`);
}

class Producer {
  readonly #client: RawClient;
  readonly #transactionalId: string;
  readonly #partition: number;
  readonly #protocol: Protocol;
  #who = { producerId: -1, producerEpoch: -1 };
  #sequence = 0;

  constructor(client: RawClient, index: number, protocol: Protocol) {
    this.#client = client;
    this.#transactionalId = `bench-${protocol}-${index}`;
    this.#partition = index;
    this.#protocol = protocol;
  }

  async init(): Promise<void> {
    const body = { transactionalId: this.#transactionalId, transactionTimeoutMs: 60_000 };
    const { errorCode, producerId, producerEpoch } = await this.#client.request(initProducerId, 4, body);
    check(errorCode, 'InitProducerId');
    this.#who = { producerId, producerEpoch };
  }

  /** Everything before the commit. */
  async write(): Promise<void> {
    if (this.#protocol === 1) await this.#add();
    const producer = { ...this.#who, baseSequence: this.#sequence, transactional: true };
    const value = Buffer.alloc(RECORD_BYTES, 'x');
    const record = { key: null, value, headers: [], timestamp: Date.now() };
    const records = encodeBatch(
      Array.from({ length: RECORDS }, () => record),
      { producer },
    );
    const { responses } = await this.#client.request(produce, this.#protocol === 1 ? 9 : 12, {
      transactionalId: this.#transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: TOPIC, partitionData: [{ index: this.#partition, records }] }],
    });
    check(responses[0]?.partitionResponses[0]?.errorCode, 'Produce');
    this.#sequence += RECORDS;
  }

  async commit(): Promise<void> {
    const body = { transactionalId: this.#transactionalId, ...this.#who, committed: true };
    const answer = await this.#client.request(endTxn, this.#protocol === 1 ? 3 : 5, body);
    check(answer.errorCode, 'EndTxn');
    if (this.#protocol === 1) return;
    this.#who = { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    this.#sequence = 0;
  }

  async #add(): Promise<void> {
    const answer = await this.#client.request(addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: this.#transactionalId,
      v3AndBelowProducerId: this.#who.producerId,
      v3AndBelowProducerEpoch: this.#who.producerEpoch,
      v3AndBelowTopics: [{ name: TOPIC, partitions: [this.#partition] }],
    });
    check(answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode, 'AddPartitionsToTxn');
  }
}

async function work(producer: Producer, window: Window, outcome: Omit<Outcome, 'commitsPerSecond'>): Promise<number> {
  let commits = 0;
  for (;;) {
    const startedAt = performance.now();
    if (startedAt >= window.to) return commits;
    await producer.write();
    const writtenAt = performance.now();
    await producer.commit();
    const endedAt = performance.now();
    if (endedAt < window.from || endedAt >= window.to) continue;
    commits += 1;
    outcome.commit.recordMillis(endedAt - writtenAt);
    outcome.whole.recordMillis(endedAt - startedAt);
  }
}

async function run(address: string, { protocol, producers, seconds }: Load): Promise<Outcome> {
  const clients = await Promise.all(Array.from({ length: producers }, () => RawClient.connect(address)));
  try {
    const all = clients.map((client, index) => new Producer(client, index, protocol));
    for (const producer of all) await producer.init();
    const from = performance.now() + WARMUP_MS;
    const histograms = { commit: new Histogram(), whole: new Histogram() };
    const window = { from, to: from + seconds * 1000 };
    const counts = await Promise.all(all.map((producer) => work(producer, window, histograms)));
    const commits = counts.reduce((sum, count) => sum + count, 0);
    return { commitsPerSecond: commits / seconds, ...histograms };
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}

function p50(histogram: Histogram): number {
  return histogram.quantileMicros(0.5) / 1000;
}

interface Alone {
  readonly syncMs: number;
  readonly commitMs: number;
  readonly wholeMs: number;
  readonly ratio: number;
}

function describe({ syncMs, commitMs, wholeMs, ratio }: Alone): string {
  return (
    `commit p50 ${commitMs.toFixed(3)} ms = ${ratio.toFixed(2)} fdatasync of ${syncMs.toFixed(3)} ms, ` +
    `transaction p50 ${wholeMs.toFixed(3)} ms`
  );
}

/** Of each figure by itself. */
function medians(rounds: readonly Alone[]): Alone {
  const median = (of: keyof Alone): number =>
    rounds.map((round) => round[of]).sort((a, b) => a - b)[Math.floor(rounds.length / 2)] as number;
  return { syncMs: median('syncMs'), commitMs: median('commitMs'), wholeMs: median('wholeMs'), ratio: median('ratio') };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new TypeError(`${text} is no whole number above 0`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      producers: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '3' },
      dir: { type: 'string' },
    },
  });
  const [seconds, producers, rounds] = [values.seconds, values.producers, values.rounds].map((text) =>
    wholeNumber(text),
  ) as [number, number, number];
  using directory = new TemporaryDirectory(values.dir);
  await using broker = await BrokerProcess.start(`${directory.path}/data`);
  const address = `${broker.address.host}:${broker.address.port}`;
  using admin = await RawClient.connect(address);
  await admin.createTopic(TOPIC, producers);
  let missed = false;
  for (const protocol of [1, 2] as const) {
    const many = await run(address, { protocol, producers, seconds });
    const alone: Alone[] = [];
    for (let round = 0; round < rounds; round++) {
      const { p50Ms: syncMs } = measureSync(directory.path, 1);
      const { commit, whole } = await run(address, { protocol, producers: 1, seconds: seconds / 2 });
      alone.push({ syncMs, commitMs: p50(commit), wholeMs: p50(whole), ratio: p50(commit) / syncMs });
      console.log(`  round ${round + 1}: ${describe(alone.at(-1) as Alone)}`);
    }
    const { ratio } = medians(alone);
    console.log(
      `protocol ${protocol}: ${producers} producers ${many.commitsPerSecond.toFixed(0)} commits/s ` +
        `(transaction p50 ${p50(many.whole).toFixed(2)} ms); one alone: ${describe(medians(alone))}`,
    );
    missed = protocol === 2 && (many.commitsPerSecond < MIN_COMMITS || ratio > MAX_SYNCS);
  }
  if (missed) {
    console.log(`missed: at least ${MIN_COMMITS} commits/s, and a commit of at most ${MAX_SYNCS} fdatasync`);
    process.exitCode = 1;
  }
}

await main();
