/**
 * Proves that an exactly-once pipeline neither loses nor doubles when its workers and the broker are killed at random with -9:
 * every record of the input has its result once, and the sums by key are those of the input. What is judged is what the input
 * topic holds in the end, so it does not matter which writes of the producer were answered.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Client, connect, json } from '../../src/sdk/index.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const WORKER = fileURLToPath(new URL('../kit/pipeline-worker.ts', import.meta.url));
const ROUNDS = Number(process.env['MILLRACE_ROUNDS'] ?? 6);
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Longest wait for what is left once nobody is killed any more: sessions and transactions of the dead must time out first. */
const DRAIN_MS = 60_000;
const QUIET_MS = 1000;

class Worker {
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(uri: string, id: string, mode: string) {
    this.#args = [WORKER, uri, 'numbers', 'doubled', 'sums', id, mode];
    this.start();
  }

  start(): void {
    this.#child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async kill9(): Promise<void> {
    const child = this.#child as ChildProcess;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    assert.equal(child.exitCode, null, 'the worker was killed and did not fail by itself');
  }
}

async function read(client: Client, topics: string): Promise<{ key: string; value: number }[]> {
  await using consumer = await client.consumer({ topics, from: 'earliest', until: 'end', value: json<number>() });
  const records: { key: string; value: number }[] = [];
  for await (const batch of consumer.batches())
    records.push(...batch.records.map(({ key, value }) => ({ key: key ?? '', value })));
  return records;
}

function ascending(records: readonly { readonly value: number }[]): number[] {
  return records.map(({ value }) => value).toSorted((a, b) => a - b);
}

for (const mode of ['resumable', 'load-balanced'] as const) {
  test(`${mode}: exactly once over kill -9 of workers and broker`, { timeout: 600_000 }, async (t) => {
    t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds`);
    await using broker = await MillraceProcess.start();
    const uri = `kafka://${broker.kafka}?session-timeout-ms=6000&heartbeat-ms=500`;
    const random = new SeededRandom(SEED);
    await using client = await connect(uri);
    for (const topic of ['numbers', 'doubled']) await client.admin.createTopic(topic, { partitions: 4 });
    const ids = mode === 'resumable' ? ['one'] : ['one', 'two'];
    const workers = ids.map((id) => new Worker(uri, id, mode));
    await using producer = await client.producer({ topic: 'numbers', value: json<number>() });
    const stop = new AbortController();
    const producing = (async () => {
      for (let n = 0; !stop.signal.aborted; n++) {
        // What fails while the broker goes down may be there or not.
        await producer.send({ key: `k${n % 7}`, value: n }, { signal: stop.signal }).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    let brokerKills = 0;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        await new Promise((resolve) => setTimeout(resolve, 300 + random.below(2000)));
        if (random.below(3) === 0) {
          brokerKills += 1;
          await broker.kill9();
          await new Promise((resolve) => setTimeout(resolve, random.below(1000)));
          await broker.start();
        } else {
          const victim = workers[random.below(workers.length)] as Worker;
          await victim.kill9();
          victim.start();
        }
      }
      stop.abort();
      await producing;
      await producer.flush().catch(() => undefined);
      const input = await read(client, 'numbers');
      const deadline = performance.now() + DRAIN_MS;
      let output = await read(client, 'doubled');
      while (output.length < input.length && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        output = await read(client, 'doubled');
      }
      // Doubles would come now, if there were any on the way.
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      output = await read(client, 'doubled');
      assert.deepEqual(
        ascending(output),
        ascending(input).map((n) => n * 2),
        `lost or doubled, seed ${SEED}`,
      );
      const expected = new Map<string, number>();
      for (const { key, value } of input) expected.set(key, (expected.get(key) ?? 0) + value);
      const sums = new Map((await read(client, 'sums')).map(({ key, value }) => [key, value]));
      assert.deepEqual(sums, expected, `sums, seed ${SEED}`);
      assert.ok(input.length > ROUNDS, `only ${input.length} records were written`);
      t.diagnostic(`${input.length} records, ${brokerKills} kills of the broker`);
    } finally {
      stop.abort();
      await producing;
      for (const worker of workers) await worker.kill9();
    }
  });
}
