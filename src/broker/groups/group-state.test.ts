/**
 * Proves: the durable layouts are those of the byte tables, a checkpoint restores exactly what was folded, replay and
 * checkpoint agree, topic deletion drops offsets, sizes are accounted for, and damaged bytes are refused with the place.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { MillraceError } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { COMMAND } from '../state-part.ts';
import { decodeGroupImage, decodeGroupSummary, encodeGroupImage, type GroupImage } from './group-image.ts';
import { GroupState } from './group-state.ts';
import { encodeGroupDeleted, encodeOffsetChanges, type TopicChanges } from './offset-commands.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const EMPTY: GroupImage = {
  groupId: 'g',
  phase: 'empty',
  changedAt: 1,
  generation: 3,
  protocolType: 'c',
  protocol: null,
  leaderId: null,
  members: [],
};

const PLAIN = { noNullPrototype: true } as const;
const bytes = fc.uint8Array({ maxLength: 20 });
const text = fc.string({ unit: 'grapheme', maxLength: 10 });
const protocol = fc.record({ name: text, metadata: bytes }, PLAIN);
const member = fc.record(
  {
    memberId: text,
    instanceId: fc.option(text),
    clientId: text,
    clientHost: text,
    sessionTimeoutMs: fc.nat(),
    rebalanceTimeoutMs: fc.nat(),
    protocols: fc.array(protocol, { maxLength: 3 }),
    assignment: bytes,
  },
  PLAIN,
);
const image: fc.Arbitrary<GroupImage> = fc.record(
  {
    groupId: fc.constantFrom('a', 'b', 'c'),
    phase: fc.constantFrom('empty', 'completing', 'stable'),
    changedAt: fc.maxSafeNat(),
    generation: fc.nat(0x7fff_ffff),
    protocolType: text,
    protocol: fc.option(text),
    leaderId: fc.option(text),
    members: fc.array(member, { maxLength: 3 }),
  },
  PLAIN,
);

const offset = fc.record({
  offset: fc.maxSafeNat(),
  leaderEpoch: fc.integer({ min: -1, max: 100 }),
  metadata: fc.constantFrom('', 'm', 'größer'),
  committedAt: fc.constant(77),
  expiresAt: fc.constantFrom(-1, 0, 1_000),
});
const topics = (
  committed: fc.Arbitrary<TopicChanges['partitions'][number]['committed']>,
): fc.Arbitrary<TopicChanges[]> =>
  fc.array(
    fc.record({
      topic: fc.constantFrom('t', 'u', 'v'),
      partitions: fc.array(fc.record({ partition: fc.nat(5), committed }), { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 3 },
  );
const groupId = fc.constantFrom('a', 'b', 'c', 'd');
const step = fc.oneof(
  image.map((changed) => (state: GroupState) => state.apply(COMMAND.GROUP_CHANGED, encodeGroupImage(changed))),
  fc.tuple(groupId, topics(offset)).map(([group, changes]) => (state: GroupState) => {
    for (const body of encodeOffsetChanges(group, 'stored', 77, changes)) state.apply(COMMAND.OFFSETS_COMMITTED, body);
  }),
  fc.tuple(groupId, topics(fc.constant(null))).map(([group, changes]) => (state: GroupState) => {
    for (const body of encodeOffsetChanges(group, 'forgotten', 78, changes))
      state.apply(COMMAND.OFFSETS_COMMITTED, body);
  }),
  groupId.map((group) => (state: GroupState) => state.apply(COMMAND.GROUP_DELETED, encodeGroupDeleted(group))),
  fc.constantFrom('t', 'u').map((topic) => (state: GroupState) => state.topicDeleted(topic)),
);

/** Everything that can be asked of a state, in comparable form. */
function contents(state: GroupState): unknown {
  return Array.from(state.all(), (record) => ({
    groupId: record.groupId,
    image: record.image === undefined ? undefined : hex(record.image),
    offsets: Array.from(record.offsets, ([topic, offsets]) => [topic, [...offsets.entries()]]),
  }));
}

function snapshot(state: GroupState): Uint8Array {
  const writer = new StateWriter();
  state.snapshot(writer);
  return writer.finish();
}

/** A Buffer has become an object by the time a replacer sees it, so both are looked at in their holder. */
function bytesAsHex(this: unknown, key: string, part: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  return original instanceof Uint8Array ? hex(original) : part;
}

/** Buffers and plain arrays of the same bytes are the same. */
function plain(value: GroupImage): unknown {
  return JSON.parse(JSON.stringify(value, bytesAsHex));
}

describe('group commands', () => {
  it('have the bytes of the worked examples', () => {
    assert.equal(hex(encodeGroupImage(EMPTY)), '010000000167000000000000000001000000030000000163000000000000');
    const committed = { offset: 5, leaderEpoch: -1, metadata: '', committedAt: 1, expiresAt: -1 };
    const [body = new Uint8Array(0)] = encodeOffsetChanges('g', 'stored', 1, [
      { topic: 't', partitions: [{ partition: 0, committed }] },
    ]);
    assert.equal(
      hex(body),
      '01000000000167000000000000000100000001000000017400000001000000000000000000000005ffffffff00',
    );
    assert.equal(hex(encodeGroupDeleted('g')), '010000000167');
  });

  it('come back as they were written', () => {
    fc.assert(
      fc.property(image, (written) => {
        const encoded = encodeGroupImage(written);
        assert.deepEqual(plain(decodeGroupImage(encoded)), plain(written));
        const { members: _, ...summary } = written;
        assert.deepEqual(decodeGroupSummary(encoded), summary);
      }),
    );
  });

  it('are cut into several below the bound of the journal', () => {
    const metadata = 'x'.repeat(4_096);
    const committed = { offset: 1, leaderEpoch: 0, metadata, committedAt: 77, expiresAt: -1 };
    const partitions = Array.from({ length: 3_000 }, (_, partition) => ({ partition, committed }));
    const bodies = encodeOffsetChanges('g', 'stored', 77, [
      { topic: 't', partitions },
      { topic: 'u', partitions },
    ]);
    assert(bodies.length > 1);
    const state = new GroupState();
    for (const body of bodies) {
      assert(body.length < 8 * 1024 * 1024);
      state.apply(COMMAND.OFFSETS_COMMITTED, body);
    }
    assert.equal(state.get('g')?.offsets.get('t')?.count, 3_000);
    assert.deepEqual(state.get('g')?.offsets.get('u')?.get(2_999), committed);
    assert.deepEqual(encodeOffsetChanges('g', 'stored', 1, []), []);
    assert.deepEqual(encodeOffsetChanges('g', 'stored', 1, [{ topic: 't', partitions: [] }]), []);
  });

  it('that are damaged are refused, never half taken for something else', () => {
    fc.assert(
      fc.property(image, fc.nat(), fc.nat(255), (written, place, value) => {
        const encoded = encodeGroupImage(written);
        assert.throws(() => decodeGroupImage(encoded.subarray(0, place % encoded.length)), { code: 'STORE_CORRUPT' });
        encoded[place % encoded.length] = value;
        try {
          decodeGroupImage(encoded);
        } catch (error) {
          assert(error instanceof MillraceError && error.code === 'STORE_CORRUPT', String(error));
        }
      }),
    );
    const newer = encodeGroupImage(EMPTY);
    newer[0] = 2;
    assert.throws(
      () => new GroupState().apply(COMMAND.GROUP_CHANGED, newer),
      /version 2; this release reads version 1/,
    );
  });
});

describe('group state', () => {
  it('is restored from a checkpoint exactly, and goes on from there as the original does', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40, size: 'max' }),
        fc.array(step, { maxLength: 10 }),
        (before, after) => {
          const original = new GroupState();
          for (const apply of before) apply(original);
          const section = snapshot(original);
          const restored = new GroupState();
          const reader = new StateReader(section, 'groups');
          restored.restore(reader);
          assert(reader.atEnd);
          for (const apply of after) {
            apply(original);
            apply(restored);
          }
          assert.deepEqual(contents(restored), contents(original));
          assert.deepEqual(snapshot(restored), snapshot(original));
        },
      ),
    );
  });

  it('accounts for its memory: everything deleted is nothing held', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const state = new GroupState();
        for (const apply of steps) {
          apply(state);
          assert.equal(state.sizeBytes > 0, state.size > 0);
        }
        for (const group of ['a', 'b', 'c', 'd']) state.apply(COMMAND.GROUP_DELETED, encodeGroupDeleted(group));
        assert.equal(state.size, 0);
        assert.equal(state.sizeBytes, 0);
      }),
    );
  });

  it('drops the offsets of a deleted topic in every group, and groups that were nothing else', () => {
    const state = new GroupState();
    const committed = { offset: 5, leaderEpoch: 0, metadata: '', committedAt: 1, expiresAt: -1 };
    const commit = (group: string, topic: string): void => {
      const changes = [{ topic, partitions: [{ partition: 0, committed }] }];
      for (const body of encodeOffsetChanges(group, 'stored', 1, changes)) state.apply(COMMAND.OFFSETS_COMMITTED, body);
    };
    state.apply(COMMAND.GROUP_CHANGED, encodeGroupImage(EMPTY));
    commit('g', 't');
    commit('h', 't');
    commit('i', 't');
    commit('i', 'u');
    state.topicDeleted('t');
    state.topicDeleted('never');
    assert.deepEqual(
      Array.from(state.all(), (record) => record.groupId),
      ['g', 'i'],
    );
    assert.equal(state.get('g')?.offsets.size, 0);
    commit('g', 't');
    assert.equal(state.get('g')?.offsets.get('t')?.get(0)?.offset, 5);
  });

  it('keeps bytes of its own', () => {
    const state = new GroupState();
    const body = encodeGroupImage(EMPTY);
    state.apply(COMMAND.GROUP_CHANGED, body);
    body.fill(0);
    assert.deepEqual(state.get('g')?.image, encodeGroupImage(EMPTY));
  });

  it('refuses a checkpoint section that is cut off', () => {
    const state = new GroupState();
    state.apply(COMMAND.GROUP_CHANGED, encodeGroupImage(EMPTY));
    const section = snapshot(state);
    for (let length = 0; length < section.length; length++) {
      const reader = new StateReader(section.subarray(0, length), 'groups');
      assert.throws(() => new GroupState().restore(reader), { code: 'STORE_CORRUPT' }, `${length} bytes`);
    }
  });
});
