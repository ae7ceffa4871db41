/**
 * Proves that resumable and load-balanced consumers lose nothing when workers and servers are killed at random with -9 while
 * a producer goes on: every record with a receipt is processed at least once. Against Millrace, over the Kafka protocol and
 * over HTTP, against Redis (synced), and with a `.ss` file, which has no server to kill.
 *
 * A producer over a broker that is away waits and goes on; what it has no receipt for may be there or not, and is not judged.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, string } from '../../src/sdk/index.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { TempDirectory } from '../kit/temp-directory.ts';
import { requireTool } from '../kit/tools.ts';

const WORKER = fileURLToPath(new URL('../kit/sdk-worker.ts', import.meta.url));
const ROUNDS = Number(process.env['MILLRACE_ROUNDS'] ?? 6);
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Longest wait for what is left, once nobody is killed any more: sessions of the dead must time out first. */
const DRAIN_MS = 60_000;

interface Server {
  readonly uri: string;
  kill9(): Promise<void>;
  start(): Promise<void>;
}

const NO_SERVER = { kill9: async () => undefined, start: async () => undefined };

type Mode = 'resumable' | 'load-balanced';

class Worker {
  readonly #args: readonly string[];
  readonly file: string;
  #child: ChildProcess | undefined;

  constructor(uri: string, mode: Mode, file: string) {
    this.file = file;
    this.#args = [WORKER, uri, 'work', 'workers', mode, file];
    this.start();
  }

  start(): void {
    this.#child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async kill9(): Promise<void> {
    assert.equal(await this.end(), null, 'the worker was killed and did not fail by itself');
  }

  /** @returns its exit code; null: it was killed. */
  async end(): Promise<number | null> {
    const child = this.#child as ChildProcess;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  processed(): string[] {
    return existsSync(this.file) ? readFileSync(this.file, 'utf8').split('\n').filter(Boolean) : [];
  }
}

async function rounds(server: Server, mode: Mode): Promise<void> {
  using directory = new TempDirectory();
  const random = new SeededRandom(SEED);
  const workers = Array.from(
    { length: mode === 'resumable' ? 1 : 2 },
    (_, i) => new Worker(server.uri, mode, path.join(directory.path, `worker-${i}`)),
  );
  await using client = await connect(server.uri);
  await using producer = await client.producer({ topic: 'work', value: string(), partitioner: 'round-robin' });
  const receipted: string[] = [];
  const stop = new AbortController();
  const producing = (async () => {
    for (let n = 0; !stop.signal.aborted; n++) {
      const value = `${n}`;
      // A write that fails while the server goes down has no receipt; the next one goes on.
      await producer.send({ value }, { signal: stop.signal }).then(
        () => receipted.push(value),
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await new Promise((resolve) => setTimeout(resolve, 300 + random.below(1500)));
      const victim = workers[random.below(workers.length)] as Worker;
      if (random.below(3) === 0) {
        await server.kill9();
        await new Promise((resolve) => setTimeout(resolve, random.below(1000)));
        await server.start();
      } else {
        await victim.kill9();
        victim.start();
      }
    }
    stop.abort();
    await producing;
    const deadline = performance.now() + DRAIN_MS;
    const missing = (): string[] => {
      const seen = new Set(workers.flatMap((worker) => worker.processed()));
      return receipted.filter((value) => !seen.has(value));
    };
    while (missing().length > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 250));
    assert.deepEqual(missing().slice(0, 10), [], `lost records, seed ${SEED}`);
    // One a round, however slow the disk is: without any there was nothing to lose.
    assert.ok(receipted.length > ROUNDS, `only ${receipted.length} records were written`);
  } finally {
    stop.abort();
    await producing;
    const codes = await Promise.all(workers.map(async (worker) => await worker.end()));
    // Behind the others, so that none is left that keeps this process.
    assert.deepEqual(
      codes,
      workers.map(() => null),
      'no worker failed by itself',
    );
  }
}

for (const mode of ['resumable', 'load-balanced'] as const) {
  test(`Millrace, ${mode}: nothing is lost over kill -9 of workers and broker`, { timeout: 300_000 }, async (t) => {
    await using broker = await MillraceProcess.start({ settings: ['num.partitions=4'] });
    t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds`);
    const uri = `kafka://${broker.kafka}?session-timeout-ms=6000&heartbeat-ms=500`;
    await rounds({ uri, kill9: async () => await broker.kill9(), start: async () => await broker.start() }, mode);
  });

  test(`Redis, ${mode}: nothing is lost over kill -9 of workers and server`, { timeout: 300_000 }, async (t) => {
    const program = requireTool(t, 'redis-server');
    if (program === undefined) return;
    await using redis = await RedisServer.start(program);
    t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds`);
    const uri = `redis://127.0.0.1:${redis.port}?shards=2&claim-idle-ms=1000&claim-interval-ms=500&block-ms=200`;
    await rounds({ uri, kill9: async () => await redis.kill9(), start: async () => await redis.start() }, mode);
  });
}

test('Millrace over HTTP, resumable: nothing is lost over kill -9 of workers and broker', {
  timeout: 300_000,
}, async (t) => {
  await using broker = await MillraceProcess.start({ settings: ['num.partitions=4'] });
  t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds`);
  const uri = `http://${broker.http}`;
  await rounds({ uri, kill9: async () => await broker.kill9(), start: async () => await broker.start() }, 'resumable');
});

test('A file, resumable: nothing is lost over kill -9 of workers', { timeout: 300_000 }, async (t) => {
  using directory = new TempDirectory();
  t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds`);
  await rounds({ uri: `file://${directory.path}/work.ss`, ...NO_SERVER }, 'resumable');
});
