/**
 * What a consumer of thousands of partitions costs, with a fetch session (KIP-227) and without:
 * `node bench/fetch-sessions.ts [--partitions 5000] [--seconds 10] [--rate 20]`.
 *
 * A broker in its own process; one topic; a producer that writes one small record into one partition `rate` times a
 * second; a consumer that fetches all partitions again and again, long polling (500 ms, at least one byte), as clients
 * do. Figures: bytes of a request and of an answer, broker CPU a fetch, and time from the producer's send to the arrival.
 */
import { parseArgs } from 'node:util';
import { encodeBatch } from '../src/model/batch-builder.ts';
import { fetch, Writer } from '../src/wire/index.ts';
import { RawClient } from '../test/kit/raw-client.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { sleep, TemporaryDirectory } from './kit/measure.ts';

const TOPIC = 'wide';
const VERSION = 12;

interface Load {
  readonly partitions: number;
  readonly seconds: number;
  readonly rate: number;
}

async function measure(withSession: boolean, { partitions, seconds, rate }: Load): Promise<void> {
  using directory = new TemporaryDirectory();
  await using broker = await BrokerProcess.start(directory.path);
  const address = `${broker.address.host}:${broker.address.port}`;
  using consumer = await RawClient.connect(address);
  using producer = await RawClient.connect(address);
  await producer.createTopic(TOPIC, partitions);
  const offsets = Array.from({ length: partitions }, () => 0);
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  let [requestBytes, answerBytes, fetches, records] = [0, 0, 0, 0];
  let [sessionId, epoch] = [0, withSession ? 0 : -1];
  let changed = offsets.map((_, partition) => partition);
  const stopped = new AbortController();

  async function fetchOnce(): Promise<void> {
    const named = epoch > 0 ? changed : offsets.map((_, partition) => partition);
    const body = {
      maxWaitMs: 500,
      minBytes: 1,
      sessionId,
      sessionEpoch: epoch,
      topics: [
        {
          topic: TOPIC,
          partitions: named.map((partition) => ({
            partition,
            fetchOffset: offsets[partition] ?? 0,
            partitionMaxBytes: 1024 * 1024,
          })),
        },
      ].filter((topic) => topic.partitions.length > 0),
    };
    requestBytes += sizeOf(fetch.request, body);
    const answer = await consumer.request(fetch, VERSION, body);
    if (answer.errorCode !== 0) throw new Error(`fetch: error ${answer.errorCode}`);
    answerBytes += sizeOf(fetch.response, answer);
    fetches += 1;
    if (withSession) {
      sessionId = answer.sessionId;
      epoch = sessionId === 0 ? 0 : epoch + 1;
    }
    changed = [];
    for (const told of answer.responses.flatMap((topic) => topic.partitions)) {
      if ((told.records?.length ?? 0) === 0) continue;
      const key = `${told.partitionIndex}@${offsets[told.partitionIndex]}`;
      latencies.push(performance.now() - (sentAt.get(key) ?? Number.NaN));
      offsets[told.partitionIndex] = told.highWatermark;
      changed.push(told.partitionIndex);
      records += 1;
    }
  }

  async function produceOften(): Promise<void> {
    const batch = encodeBatch([{ value: Buffer.alloc(100), timestamp: 1 }]);
    const ends = offsets.map(() => 0);
    for (let i = 0; !stopped.signal.aborted; i++) {
      const partition = (i * 7919) % partitions;
      sentAt.set(`${partition}@${ends[partition]}`, performance.now());
      ends[partition] = (ends[partition] ?? 0) + 1;
      await producer.produceBatch(TOPIC, partition, Uint8Array.from(batch));
      await sleep(1000 / rate);
    }
  }

  for (let i = 0; i < 5; i++) await fetchOnce();
  const producing = produceOften();
  await sleep(500);
  [requestBytes, answerBytes, fetches, records] = [0, 0, 0, 0];
  latencies.length = 0;
  const before = broker.usage()?.cpuSeconds ?? Number.NaN;
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) await fetchOnce();
  const cpuSeconds = (broker.usage()?.cpuSeconds ?? Number.NaN) - before;
  stopped.abort();
  await producing;
  latencies.sort((a, b) => a - b);
  const per = (sum: number): string => (sum / fetches).toFixed(0);
  console.log(
    `${withSession ? 'session' : 'whole  '}: ${fetches} fetches, ${records} records, request ${per(requestBytes)} B, ` +
      `answer ${per(answerBytes)} B, broker CPU ${((cpuSeconds * 1000) / fetches).toFixed(2)} ms a fetch ` +
      `(${((cpuSeconds / seconds) * 100).toFixed(1)} % of a core), p50 ${latencies[latencies.length >> 1]?.toFixed(2)} ms`,
  );
}

function sizeOf(message: typeof fetch.request | typeof fetch.response, body: unknown): number {
  const writer = new Writer();
  message.write(writer, VERSION, body as never);
  return writer.position;
}

const { values } = parseArgs({
  options: {
    partitions: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '20' },
  },
});
const load = { partitions: Number(values.partitions), seconds: Number(values.seconds), rate: Number(values.rate) };
for (const withSession of [false, true]) await measure(withSession, load);
