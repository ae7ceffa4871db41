/** Topics against a map: any commands, and a restart by replay, give the same names, ids, partitions and settings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { HISTORY_SETTINGS, History } from '../../test/kit/history.ts';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import { LogStore } from '../store/log-store.ts';
import { COMMAND } from './state-part.ts';
import { TopicsState, topicCommands } from './topics-state.ts';

const DEADLINE = { timeout: 60_000 };

test(
  'creations, deletions, partitions and settings agree with a map, before and after a replay',
  DEADLINE,
  async () => {
    const step = fc.record({
      kind: fc.constantFrom('create', 'create', 'delete', 'grow', 'configure'),
      name: fc.nat(4),
      count: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const disk = new FakeDisk({ turns: () => 0 });
        const history = await History.open(disk);
        const model = new Map<string, { partitions: number; bytes: string | undefined }>();
        const ids = new Set<string>();
        const numbers = new Set<number>();
        let created = 0;
        for (const { kind, name: n, count } of steps) {
          const name = `a.${n}`;
          const topic = history.topics.find(name);
          const known = model.get(name);
          assert.equal(topic === undefined, known === undefined);
          if (kind === 'create') {
            const creation = history.topics.create({ name: `a/${n}`, partitions: count });
            if (known !== undefined) {
              await assert.rejects(
                creation,
                (error) => error instanceof MillraceError && error.code === 'BROKER_TOPIC_EXISTS',
              );
              continue;
            }
            const made = await creation;
            assert.equal(history.topics.byId(made.id), made);
            ids.add(made.id);
            created += 1;
            for (const partition of made.partitions) {
              assert.ok(!numbers.has(partition.number), 'numbers are never used again');
              numbers.add(partition.number);
            }
            model.set(name, { partitions: count, bytes: undefined });
          } else if (topic === undefined || known === undefined) continue;
          else if (kind === 'delete') {
            await history.topics.delete(topic);
            assert.ok(topic.deleted && topic.partitions.every((partition) => partition.deleted));
            model.delete(name);
          } else if (kind === 'grow') {
            known.partitions += count;
            await history.topics.addPartitions(topic, known.partitions);
            for (const { number } of topic.partitions) numbers.add(number);
          } else {
            known.bytes = known.bytes === undefined ? String(count * 100) : undefined;
            const change = {
              name: 'max.message.bytes',
              op: known.bytes === undefined ? 'delete' : 'set',
              value: known.bytes ?? null,
            } as const;
            await history.topics.configure(topic, [change]);
          }
        }
        assert.equal(ids.size, created);
        await history.journal.close();
        const again = await History.open(new FakeDisk({ turns: () => 0 }, disk.content()), { clock: history.clock });
        assert.deepEqual(again.describe(), history.describe());
        for (const { topics } of [history, again]) {
          const shown = [...topics.list()].map((topic) => [
            topic.name,
            { partitions: topic.partitions.length, bytes: topic.overrides?.get('max.message.bytes') },
          ]);
          assert.deepEqual(new Map(shown as never), model);
          for (const topic of topics.list()) {
            assert.deepEqual(
              topic.partitions.map(({ index }) => index),
              topic.partitions.map((_, i) => i),
            );
            assert.equal(
              topic.limits.maxBatchBytes,
              Number(model.get(topic.name)?.bytes ?? HISTORY_SETTINGS.maxMessageBytes),
            );
          }
          assert.equal(
            topics.partitionCount,
            [...model.values()].reduce((sum, one) => sum + one.partitions, 0),
          );
        }
        await again.journal.close();
      }),
      { numRuns: 60 },
    );
  },
);

test('a snapshot restores; one that names a partition that is not there is refused', () => {
  const store = new LogStore();
  const state = new TopicsState(store, HISTORY_SETTINGS, () => undefined);
  const overrides = new Map([['max.message.bytes', '5']]);
  const created = { name: 't', id: 'f'.repeat(32), createdAt: 7, firstPartition: 0, partitionCount: 2, overrides };
  state.apply(COMMAND.TOPIC_CREATED, topicCommands.created(created), 1);
  const writer = new StateWriter();
  state.snapshot(writer);
  const again = new TopicsState(store, HISTORY_SETTINGS, () => undefined);
  again.restore(new StateReader(writer.finish(), 'test'));
  const topic = again.find('t');
  assert.deepEqual(
    [topic?.id, topic?.createdAt, topic?.partitions.length, topic?.limits.maxBatchBytes],
    [created.id, 7, 2, 5],
  );
  const empty = new TopicsState(new LogStore(), HISTORY_SETTINGS, () => undefined);
  assert.throws(
    () => empty.restore(new StateReader(writer.finish(), 'test')),
    (error) => error instanceof MillraceError && error.code === 'STORE_CORRUPT',
  );
});

test('commands that do not follow from the state are refused: replay applies and never decides', () => {
  const state = new TopicsState(new LogStore(), HISTORY_SETTINGS, () => undefined);
  const created = topicCommands.created({
    name: 't',
    id: '1'.repeat(32),
    createdAt: 0,
    firstPartition: 0,
    partitionCount: 1,
    overrides: undefined,
  });
  state.apply(COMMAND.TOPIC_CREATED, created, 1);
  assert.throws(() => state.apply(COMMAND.TOPIC_CREATED, created, 2), MillraceError);
  assert.throws(() => state.apply(COMMAND.TOPIC_DELETED, topicCommands.deleted('2'.repeat(32)), 2), MillraceError);
  assert.throws(
    () => state.apply(COMMAND.PARTITIONS_ADDED, topicCommands.partitionsAdded('1'.repeat(32), 9, 1), 2),
    MillraceError,
  );
  // Records of a partition that was deleted since: not an error, since both commands may be in one journal.
  state.apply(COMMAND.RECORDS_DELETED, topicCommands.recordsDeleted(77, 5), 2);
});
