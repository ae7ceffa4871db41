/** High watermarks move with commits, all of a commit before anybody is told of any of it, and telling is harmless. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { Partition, PartitionMemory, type PartitionWaiter } from './partition.ts';
import { Publisher } from './publisher.ts';

function waiter(
  advanced: PartitionWaiter['advanced'],
  gone: PartitionWaiter['gone'] = () => undefined,
): PartitionWaiter {
  return { advanced, trimmed: () => undefined, gone };
}

test('publishing up to any commit shows exactly what was staged up to it', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('stage' as const), partition: fc.nat(3), count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ kind: fc.constant('commit' as const) }),
    fc.record({ kind: fc.constant('publish' as const), back: fc.nat(3) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3000, size: 'max' }), (steps) => {
      const publisher = new Publisher();
      const partitions = [0, 1, 2, 3].map((i) => new Partition(i, i, new PartitionMemory()));
      const staged: { commit: number; partition: number; end: number }[] = [];
      const told = [0, 0, 0, 0];
      const bytes = [0, 0, 0, 0];
      for (const partition of partitions)
        partition.wait(waiter((which, size) => void ((told[which.number] as number) += size)));
      let commit = 1;
      for (const one of steps) {
        if (one.kind === 'commit') commit += 1;
        else if (one.kind === 'stage') {
          const partition = partitions[one.partition] as Partition;
          partition.endOffset += one.count;
          publisher.staged(commit, partition, partition.endOffset, one.count * 10);
          staged.push({ commit, partition: one.partition, end: partition.endOffset });
        } else {
          publisher.publish(commit - one.back);
          for (const { commit: of, partition, end } of staged) {
            if (of > commit - one.back) continue;
            const seen = partitions[partition] as Partition;
            if (end > seen.highWatermark) assert.fail('staged in a published commit and not shown');
          }
        }
      }
      publisher.publish(commit);
      for (const [i, partition] of partitions.entries()) {
        assert.equal(partition.highWatermark, partition.endOffset);
        bytes[i] = partition.endOffset * 10;
      }
      assert.deepEqual(told, bytes, 'waiters were told of every byte');
      assert.equal(publisher.pending, 0);
    }),
    { numRuns: 50 },
  );
});

test('a waiter sees all partitions of the commit moved, and may leave, come back, stage and publish', () => {
  const publisher = new Publisher();
  const [a, b] = [new Partition(0, 0, new PartitionMemory()), new Partition(1, 1, new PartitionMemory())];
  const seen: string[] = [];
  const again = waiter(() => void seen.push('again'));
  const first = waiter((which) => {
    seen.push(`first ${which.number} ${a.highWatermark} ${b.highWatermark}`);
    a.stopWaiting(first);
    b.stopWaiting(first);
    b.wait(again);
    publisher.staged(2, a, 9, 1);
    publisher.publish(2);
  });
  a.wait(first);
  b.wait(first);
  publisher.staged(1, a, 5, 10);
  publisher.staged(1, b, 7, 10);
  publisher.publish(1);
  assert.deepEqual(seen, ['first 0 5 7', 'again']);
  assert.equal(a.highWatermark, 9);
  assert.equal(publisher.pending, 0);
});

test('a deletion is told when its commit is published', () => {
  const publisher = new Publisher();
  const partition = new Partition(0, 0, new PartitionMemory());
  const seen: string[] = [];
  partition.wait(
    waiter(
      () => void seen.push('advanced'),
      () => void seen.push('gone'),
    ),
  );
  publisher.staged(1, partition, 5, 10);
  publisher.stagedDeletion(2, partition);
  publisher.publish(1);
  assert.deepEqual([seen, partition.highWatermark], [['advanced'], 5]);
  publisher.publish(2);
  assert.deepEqual([seen, partition.highWatermark], [['advanced', 'gone'], 5]);
});

// What a waiter threw went through the fold into the journal, which stopped.
test('a waiter that throws is reported apart, and the others are told', async () => {
  const publisher = new Publisher();
  const partition = new Partition(0, 0, new PartitionMemory());
  let told = 0;
  partition.wait(
    waiter(() => {
      throw new Error('a defect of the waiter');
    }),
  );
  partition.wait(waiter(() => void (told += 1)));
  publisher.staged(1, partition, 5, 10);
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  try {
    const thrown = new Promise<unknown>((resolve) => process.once('uncaughtException', resolve));
    publisher.publish(1);
    assert.equal(told, 1);
    assert.match(String(await thrown), /a defect of the waiter/);
  } finally {
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
});
