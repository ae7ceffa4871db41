/**
 * Proves that subscriptions live through topics that are deleted and made again under their name while they read: from memory, from the
 * disk with a read under way, and from files that were sealed and are gone. What is not deleted comes once and in order; what is
 * deleted, as soon as that is acknowledged, does not come any more; the name's next topic is another one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { batchOf, produce, splitBatches } from '../../../test/kit/broker-kit.ts';
import { subscribe } from '../../../test/kit/drain-subscription.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn, SEALING_DIRECTORY, settle } from '../../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { MillraceError } from '../../base/errors.ts';
import { journalDirectory, numberedFiles } from '../../journal/paths.ts';
import { readRecords } from '../../model/record-codec.ts';
import type { Broker } from '../broker.ts';
import type { Topic } from '../topic.ts';
import { type Cursor, formatCursor, parseCursor } from './cursor.ts';
import { runBytes, type Subscription, type SubscriptionStep } from './subscription.ts';

const OPTIONS = { timeout: 120_000 } as const;
const MATCH = ['a/**'];
const KEPT_NAME = 'a.kept';
const NAMES = [KEPT_NAME, 'a.one', 'a.two', 'a.deep.er', 'b.other'];
const STEPS = 900;
const READERS = 6;

interface Written {
  readonly topic: Topic;
  readonly offset: number;
}

type Step = SubscriptionStep | { readonly kind: 'expired'; readonly firstCommit: number };

async function nextStep(subscription: Subscription): Promise<Step> {
  try {
    return await subscription.next();
  } catch (error) {
    if (!(error instanceof MillraceError && error.code === 'BROKER_CURSOR_EXPIRED')) throw error;
    return { kind: 'expired', firstCommit: error.details['firstCommit'] as number };
  }
}

class Scene {
  readonly random: SeededRandom;
  readonly disk: FakeDisk;
  broker!: Broker;
  /** By the number that is a record's value, in the order of acknowledgement. */
  readonly written: Written[] = [];
  /** Whose deletion is acknowledged. */
  readonly deleted = new Set<Topic>();
  isOver = false;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    const turns = new SeededRandom(seed + 1);
    this.disk = new FakeDisk({ turns: () => turns.below(4) });
  }

  async write(): Promise<void> {
    const { broker, random, written } = this;
    for (let step = 0; step < STEPS; step++) {
      const name = random.pick(NAMES);
      const found = broker.topics.find(name);
      if (found !== undefined && name !== KEPT_NAME && random.chance(0.15)) {
        await broker.topics.delete(found);
        this.deleted.add(found);
        continue;
      }
      const topic = found ?? (await broker.topics.create({ name, partitions: 1, config: { 'retention.ms': '-1' } }));
      const count = 1 + random.below(3);
      const first = written.length;
      const item = await produce(
        broker,
        topic,
        0,
        batchOf(Array.from({ length: count }, (_, i) => `${first + i} ${'v'.repeat(random.below(200))}`)),
      );
      assert.equal(item.error, undefined);
      for (let i = 0; i < count; i++) written.push({ topic, offset: item.baseOffset + i });
      if (step % 25 === 0) await settle(broker);
    }
    this.isOver = true;
  }

  /** Reads to the end of what is written. @returns numbers of the records, in the order in which they came. */
  async read(random: SeededRandom): Promise<number[]> {
    const seen: number[] = [];
    let start: Cursor | 'earliest' = 'earliest';
    let subscription = subscribe(this.broker, MATCH, start);
    const pause = async (turns: number): Promise<void> => {
      for (let i = random.below(turns); i > 0; i--) await setImmediate();
    };
    for (;;) {
      const { isOver } = this;
      const gone = new Set(this.deleted);
      const step = await nextStep(subscription);
      if (step.kind === 'expired') {
        // What lies between is gone, which the end of the test looks at.
        start = { commit: step.firstCommit - 1 };
        subscription = subscribe(this.broker, MATCH, start);
        continue;
      }
      if (step.kind === 'run') {
        const { topic, commit, entry, firstOffset, endOffset } = step.run;
        assert.ok(!gone.has(topic), `${topic.name} was deleted before it was asked for`);
        for (const batch of splitBatches(Buffer.from(runBytes(step.run)))) {
          for (const { offset, value } of readRecords(batch)) {
            if (offset < firstOffset || offset >= endOffset) continue;
            const number = Number.parseInt(Buffer.from(value ?? []).toString(), 10);
            assert.deepEqual(
              [topic, offset],
              [this.written[number]?.topic ?? topic, this.written[number]?.offset ?? offset],
            );
            seen.push(number);
            start = { commit, entry, offset };
          }
        }
      } else if (isOver) {
        subscription.rest();
        return seen;
      }
      if (random.chance(0.2)) {
        subscription.rest();
        await pause(random.chance(0.05) ? 2_000 : 20);
      } else if (step.kind !== 'run') await setImmediate();
      if (random.chance(0.05)) {
        subscription.rest();
        subscription = subscribe(this.broker, MATCH, start === 'earliest' ? start : parseCursor(formatCursor(start)));
      }
    }
  }
}

// Chunks were written over while they were read, where a file was folded between the end of a round of sealing and its swap.
for (const seed of [20261126, 7, 102, 105, 115]) {
  test(`topics deleted and made again under six readers, seed ${seed}`, OPTIONS, async () => {
    const scene = new Scene(seed);
    scene.broker = await openOn(scene.disk, new ManualClock());
    const reading = Array.from({ length: READERS }, (_, i) => scene.read(new SeededRandom(seed + 10 + i)));
    const [, ...all] = await Promise.all([scene.write(), ...reading]);
    const { written, deleted } = scene;
    assert.ok(deleted.size > 20);
    const files = numberedFiles(await scene.disk.list(journalDirectory(SEALING_DIRECTORY)), 'order');
    assert.ok(files.length > 3, 'files were sealed meanwhile');
    all.push(await scene.read(new SeededRandom(seed)));
    for (const seen of all) {
      for (let i = 1; i < seen.length; i++) assert.ok((seen[i - 1] as number) < (seen[i] as number), 'once, in order');
      const numbers = new Set(seen);
      for (const [number, { topic, offset }] of written.entries()) {
        if (!topic.name.startsWith('a.')) assert.ok(!numbers.has(number), topic.name);
        else if (!deleted.has(topic)) assert.ok(numbers.has(number), `${topic.name}@${offset} is missing`);
      }
    }
    assert.ok(all.at(-1)?.every((number) => !deleted.has((written[number] as Written).topic)));
    await scene.broker.close();
  });
}
