/**
 * Rounds of work and kill -9 on one data directory.
 *
 * Each round starts the broker with the settings of a random plan, checks the log against the model, lets producers, a
 * reader and a client that changes state work for a random time, then kills. Some rounds kill during the start, some
 * stop gracefully. Every tenth check, and the last, reads the whole log.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { KillAdmin, KillProducer, KillReader } from './kill-load.ts';
import { BrokenPromise, KillModel, type LaneName } from './kill-model.ts';

const LANES: readonly LaneName[] = [
  { topic: 'kill.one', partition: 0 },
  { topic: 'kill.three', partition: 0 },
  { topic: 'kill.three', partition: 1 },
  { topic: 'kill.three', partition: 2 },
];
const FULL_CHECK_EVERY = 10;
const MAX_WORK_MS = 700;
/** Long enough to fall before, into and after recovery. */
const MAX_START_MS = 500;
/** Small files and a small tail, so that kills hit rolls, indexes and checkpoints, and checks read from files. */
const SMALL = ['journal.file.bytes=1048576', 'checkpoint.bytes=1048576', 'tail.cache.bytes=1048576'];

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly say?: ((line: string) => void) | undefined;
}

export interface KillResult {
  readonly ackedBatches: number;
  readonly sentBatches: number;
  readonly seenBatches: number;
  readonly checkedBytes: number;
  readonly journalBytes: number;
  readonly slowestStartMs: number;
}

/** @throws BrokenPromise where the broker lost, changed or invented something; the message names seed and round. */
export async function runKillRounds({ rounds, seed, say = () => undefined }: KillOptions): Promise<KillResult> {
  const random = new SeededRandom(seed);
  const model = new KillModel(LANES);
  const producers = [false, true, true].map(
    (idempotent, i) => new KillProducer(model, new SeededRandom(seed + 1 + i), idempotent),
  );
  const reader = new KillReader(model);
  const admin = new KillAdmin(LANES[0] as LaneName);
  await using broker = await MillraceProcess.start({ settings: SMALL });
  let slowestStartMs = 0;
  let round = 0;
  try {
    await createTopics(broker);
    for (round = 1; round <= rounds; round++) {
      const work = [...producers, reader, admin].map(
        async (worker) => await untilDisconnected(worker.run(broker.kafka)),
      );
      const broken = Promise.race(
        work.map(async (worker) => await worker.then(() => new Promise<never>(() => undefined))),
      );
      await Promise.race([pause(20 + random.below(MAX_WORK_MS)), broken]);
      const graceful = random.chance(0.1);
      await (graceful ? broker.stop() : broker.kill9());
      await Promise.all(work);
      const killedStarts = await startAgain(broker, random);
      slowestStartMs = Math.max(slowestStartMs, broker.startMs);
      using client = await RawClient.connect(broker.kafka);
      await model.check(client, round % FULL_CHECK_EVERY === 0);
      await admin.check(client);
      say(
        `round ${round}: ${graceful ? 'stopped' : 'killed'}${killedStarts > 0 ? `, and killed ${killedStarts} times while starting` : ''}, ` +
          `start ${broker.startMs} ms; ${model.ackedCount} of ${model.sentCount} batches acknowledged, ${model.seenCount} seen`,
      );
    }
    for (const producer of producers) await producer.finish(broker.kafka);
    using client = await RawClient.connect(broker.kafka);
    await model.check(client, true);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BrokenPromise(`seed ${seed}, round ${round}: ${reason}\n${broker.log()}`, { cause: error });
  }
  return {
    ackedBatches: model.ackedCount,
    sentBatches: model.sentCount,
    seenBatches: model.seenCount,
    checkedBytes: model.checkedBytes,
    journalBytes: sizeOf(broker.directory),
    slowestStartMs,
  };
}

async function createTopics(broker: MillraceProcess): Promise<void> {
  using client = await RawClient.connect(broker.kafka);
  await client.createTopic('kill.one', 1);
  await client.createTopic('kill.three', 3);
}

/** @returns how often the start itself was killed before it was let through. */
async function startAgain(broker: MillraceProcess, random: SeededRandom): Promise<number> {
  let killed = 0;
  while (killed < 3 && random.chance(0.2)) {
    const starting = broker.start().catch(() => undefined);
    await pause(random.below(MAX_START_MS));
    await broker.kill9();
    await starting;
    killed++;
  }
  await broker.start();
  return killed;
}

/** Only the loss of the connection ends a worker well. */
async function untilDisconnected(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ECONNRESET' || code === 'ECONNREFUSED' || code === 'EPIPE' || message === 'connection closed') return;
    throw error;
  }
}

function sizeOf(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(path.join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
