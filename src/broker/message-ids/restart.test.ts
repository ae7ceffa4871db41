/**
 * Repeated messages against a model, over a real directory with small files: batches of few ids, plain, idempotent and
 * transactional, compressed and not, while time passes, checkpoints are folded by the worker, and the broker is killed and
 * started again. Proves that answers, and what is stored, are those of a plain list of what was seen, whatever a restart
 * had to go by: checkpoint, journal or both.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkpointNow, fetchOnce, openBroker, produce, splitBatches } from '../../../test/kit/broker-kit.ts';
import { copyAsKilled } from '../../../test/kit/killed-copy.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { messageBatch, placesOf } from '../../../test/kit/message-batch.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import type { CodecName } from '../../model/record-batch.ts';
import { isControl, lastOffset } from '../../model/record-batch.ts';
import type { Broker } from '../broker.ts';

const DEADLINE = { timeout: 120_000 };
const WINDOW_MS = 60_000;
const SETTINGS = { journalFileBytes: 8 * 1024, tailCacheBytes: 0, checkpointBytes: 8 * 1024 };
const CODECS: readonly CodecName[] = ['none', 'none', 'gzip', 'zstd', 'lz4'];
const STEPS = 220;

interface Known {
  readonly offset: number;
  readonly at: number;
}

/** One partition, as one would write it down by hand. */
class Model {
  end = 0;
  readonly stored: string[] = [];
  readonly seen = new Map<string, Known>();
  readonly pending = new Map<string, number>();
  /** Offsets of the open transaction's records that would come to be: readers of everything see them either way. */
  open = false;

  /** @returns what the broker must answer. */
  send(ids: readonly string[], value: string, now: number, transactional: boolean): string {
    if (!transactional && ids.some((id) => !this.#isSeen(id, now) && this.pending.has(id))) {
      return 'BROKER_MESSAGE_ID_PENDING';
    }
    const base = this.end;
    const offsets: number[] = [];
    const fresh = new Map<string, number>();
    for (const [i, id] of ids.entries()) {
      const known = this.#isSeen(id, now) ? this.seen.get(id)?.offset : (this.pending.get(id) ?? fresh.get(id));
      offsets.push(known ?? Number.NaN);
      if (known === undefined) fresh.set(id, base + i);
    }
    if (fresh.size === 0) return `${offsets[0]}: ${offsets.join()}`;
    this.end += ids.length;
    for (const [id, offset] of fresh) {
      this.stored.push(`${offset}:${value}`);
      if (transactional) this.pending.set(id, offset);
      else this.seen.set(id, { offset, at: now });
    }
    return offsets.every(Number.isNaN) ? `${base}` : `${base}: ${offsets.join()}`;
  }

  endTransaction(committed: boolean, wroteTo: boolean, now: number): void {
    if (wroteTo) this.end += 1;
    if (committed) for (const [id, offset] of this.pending) this.seen.set(id, { offset, at: now });
    this.pending.clear();
  }

  #isSeen(id: string, now: number): boolean {
    const known = this.seen.get(id);
    return known !== undefined && known.at >= now - WINDOW_MS;
  }
}

async function placesIn(broker: Broker): Promise<string[]> {
  const partition = broker.topics.find('t')?.partitions[0];
  const places: string[] = [];
  for (let offset = 0; offset < (partition?.highWatermark ?? 0); ) {
    const { item, bytes } = await fetchOnce(broker, partition, offset);
    assert.equal(item.error, undefined);
    for (const batch of splitBatches(bytes)) {
      if (!isControl(batch, 0)) places.push(...placesOf(batch));
      offset = lastOffset(batch, 0) + 1;
    }
  }
  return places;
}

for (const seed of [1, 2, 3]) {
  test(`answers and records are the model's over restarts and checkpoints, seed ${seed}`, DEADLINE, async () => {
    using directory = new TempDirectory();
    const random = new SeededRandom(seed);
    const clock = new ManualClock();
    const options = { settings: SETTINGS, clock };
    let copies = 0;
    let broker = await openBroker(join(directory.path, '0'), options);
    const config = { 'dedup.window.ms': String(WINDOW_MS) };
    await broker.topics.create({ name: 't', partitions: 1, config });
    const model = new Model();
    const idempotent = await broker.producers.allocateProducerId();
    let idempotentSequence = 0;
    const init = await broker.transactions.initProducerId({
      transactionalId: 'x',
      timeoutMs: 900_000,
      producerId: -1,
      producerEpoch: -1,
    });
    assert.ok(init.error === undefined);
    let who = { transactionalId: 'x', producerId: init.producerId, producerEpoch: init.producerEpoch };
    let sequence = 0;
    let wroteTo = false;
    let checkpoints = 0;
    let restarts = 0;
    const endTransaction = async (committed: boolean): Promise<void> => {
      const answer = await broker.transactions.end({ ...who, committed, bumpsEpoch: true });
      assert.ok(answer.error === undefined, String(answer.error));
      who = { ...who, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
      sequence = 0;
      model.endTransaction(committed, wroteTo, clock.now());
      wroteTo = false;
    };
    const begin = async (): Promise<void> => {
      const topics = [{ topic: 't', partitions: [0] }];
      await broker.transactions.addPartitions({ ...who, topics, verifyOnly: false });
    };
    for (let step = 0; step < STEPS; step++) {
      const dice = random.below(100);
      if (dice < 10) clock.advance(random.below(20_000));
      else if (dice < 16 && model.pending.size > 0) await endTransaction(random.below(2) === 0);
      else if (dice < 20) {
        if (restarts % 2 === 0) await checkpointNow(broker);
        checkpoints = Math.max(checkpoints, broker.checkpointer.lastCheckpoint);
        const [from, copy] = [String(copies), String(copies + 1)].map((name) => join(directory.path, name));
        copyAsKilled(from as string, copy as string);
        await broker.close();
        broker = await openBroker(copy as string, options);
        copies += 1;
        restarts += 1;
      } else {
        const count = 1 + random.below(4);
        const ids = Array.from({ length: count }, () => `id-${random.below(14)}`);
        const value = `${step}-${'v'.repeat(random.below(150))}`;
        const kind = (['plain', 'idempotent', 'transactional'] as const)[random.below(3)] as string;
        const isTransactional = kind === 'transactional';
        if (isTransactional && model.pending.size === 0 && !wroteTo) await begin();
        const producer = isTransactional
          ? { ...who, baseSequence: sequence, transactional: true }
          : kind === 'idempotent'
            ? { producerId: idempotent.producerId, producerEpoch: 0, baseSequence: idempotentSequence }
            : undefined;
        const endBefore = model.end;
        const expected = model.send(ids, value, clock.now(), isTransactional);
        const codec = CODECS[random.below(CODECS.length)] as CodecName;
        const records = ids.map((id) => `${id}=${value}`);
        const batch = messageBatch(records, { producer, codec });
        const item = await produce(broker, broker.topics.find('t'), 0, batch);
        const { baseOffset, offsets, error } = item;
        const answered = error ?? (offsets === undefined ? `${baseOffset}` : `${baseOffset}: ${offsets.join()}`);
        assert.equal(answered, expected, `step ${step}: ${kind} ${ids.join()}`);
        if (error === undefined && isTransactional) sequence += count;
        if (error === undefined && kind === 'idempotent') idempotentSequence += count;
        if (isTransactional && model.end > endBefore) wroteTo = true;
      }
    }
    assert.deepEqual(await placesIn(broker), model.stored);
    assert.ok(restarts > 2 && checkpoints > 0, `${restarts} restarts, checkpoint ${checkpoints}: too few to prove it`);
    await broker.close();
  });
}
