/** Proves: the sorted cells behave as a map of partitions, and their size estimate returns to where it was. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { type CommittedOffset, TopicOffsets } from './topic-offsets.ts';

const committed: fc.Arbitrary<CommittedOffset> = fc.record(
  {
    offset: fc.maxSafeNat(),
    leaderEpoch: fc.integer({ min: -1, max: 0x7fff_ffff }),
    metadata: fc.constantFrom('', '', 'm', 'älter'),
    committedAt: fc.maxSafeNat(),
    expiresAt: fc.constantFrom(-1, -1, 0, 5_000),
  },
  { noNullPrototype: true },
);

it('topic offsets agree with a map', () => {
  const command = fc.record({ partition: fc.nat(20), value: fc.option(committed) });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100, size: 'max' }), (commands) => {
      const offsets = new TopicOffsets();
      const model = new Map<number, CommittedOffset>();
      for (const { partition, value } of commands) {
        if (value === null) assert.equal(offsets.delete(partition), model.delete(partition));
        else {
          offsets.set(partition, value);
          model.set(partition, value);
        }
        assert.equal(offsets.count, model.size);
        assert.deepEqual(offsets.get(partition), model.get(partition));
        assert.equal(offsets.has(partition), model.has(partition));
      }
      assert.deepEqual(
        [...offsets.entries()],
        [...model].sort(([a], [b]) => a - b),
      );
      for (const partition of model.keys()) offsets.delete(partition);
      const capacity = offsets.sizeBytes;
      offsets.set(1, { offset: 1, leaderEpoch: 1, metadata: 'x', committedAt: 1, expiresAt: -1 });
      offsets.delete(1);
      assert.equal(offsets.sizeBytes, capacity);
    }),
  );
});

it('takes at most 48 bytes for each of 1,000 partitions', () => {
  const offsets = new TopicOffsets();
  for (let partition = 0; partition < 1_000; partition++) {
    offsets.set(partition, { offset: 1, leaderEpoch: 0, metadata: '', committedAt: 1, expiresAt: -1 });
  }
  assert(offsets.sizeBytes < 49_000, `${offsets.sizeBytes} bytes`);
});
