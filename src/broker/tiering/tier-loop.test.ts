/** Which requests one fetch of the tier worker makes, and what comes of it, on a store that fails, forgets and lies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { MemoryObjectStore } from '../../../test/kit/memory-object-store.ts';
import { MillraceError } from '../../base/errors.ts';
import type { ByteRange, ObjectStore } from '../../store/object-store.ts';
import { encodeTieredChunk, TIER_BLOCK_BYTES, tierTailBytes } from '../../store/tiered-chunk.ts';
import type { FromTierWorker } from './messages.ts';
import { TierLoop } from './tier-loop.ts';

const CHUNK = 9;
const OBJECT = 'o';
const BLOCKS = 3;

/** What a GET comes to, by its number, from 1 on; undefined: what the store has. */
type Answer = (
  get: number,
  object: string,
) => MillraceError | ((bytes: Uint8Array) => Uint8Array | undefined) | undefined;

async function setUp(answer: Answer) {
  const clock = new ManualClock();
  const memory = new MemoryObjectStore(() => clock.now());
  const raw = new Uint8Array(BLOCKS * TIER_BLOCK_BYTES - 17);
  for (let at = 0; at < raw.length; at++) raw[at] = at >>> 12;
  const { pieces, storedBytes } = encodeTieredChunk(CHUNK, raw);
  await memory.put(OBJECT, pieces);
  const place = { chunk: CHUNK, object: OBJECT, rawBytes: raw.length, storedBytes };
  /** Those of tables, and of blocks. */
  const gets: ('table' | 'blocks')[] = [];
  const store: ObjectStore = {
    url: memory.url,
    put: async (key, body, options) => await memory.put(key, body, options),
    get: async (key: string, range?: ByteRange) => {
      gets.push(range?.sizeBytes === tierTailBytes(raw.length) ? 'table' : 'blocks');
      const given = answer(gets.length, key);
      if (given instanceof MillraceError) throw given;
      const bytes = Uint8Array.from((await memory.get(key, range)) ?? []);
      return given === undefined ? bytes : given(bytes);
    },
    list: (prefix) => memory.list(prefix),
    delete: async (key) => await memory.delete(key),
  };
  const answers: FromTierWorker[] = [];
  const loop = new TierLoop(store, new FakeDisk({ turns: () => 0 }), '/data', clock, {
    say: (message) => answers.push(message),
  });
  const fetch = async (): Promise<FromTierWorker & { into: Uint8Array }> => {
    const into = new Uint8Array(new SharedArrayBuffer(raw.length));
    loop.post({ id: 1, job: { kind: 'fetch', place, firstBlock: 0, blockCount: BLOCKS, into } });
    for (let i = 0; i < 1_000 && answers.length === 0; i++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      clock.advance(100);
    }
    const [said] = answers.splice(0);
    assert.ok(said !== undefined, 'it has ended');
    return { ...said, into };
  };
  return { raw, gets, fetch };
}

test('a store that has no time is asked for the blocks again, and not for their table', async () => {
  const busy = new MillraceError('TIER_UNAVAILABLE', 'the store answers 503');
  const { raw, gets, fetch } = await setUp((get) => (get === 2 || get === 3 ? busy : undefined));
  const said = await fetch();
  assert.ok('result' in said);
  assert.deepEqual(gets, ['table', 'blocks', 'blocks', 'blocks']);
  assert.ok(Buffer.from(raw).equals(said.into));
  await fetch();
  assert.equal(gets.length, 5, 'the table is known');
});

test('what is wrong is read again with its table, and told in the end; the next fetch is as any other', async () => {
  const lies: Record<string, (bytes: Uint8Array) => Uint8Array | undefined> = {
    absent: () => undefined,
    altered: (bytes) => bytes.map((byte, at) => (at === bytes.length - 9 ? byte ^ 1 : byte)),
    elsewhere: (bytes) => Uint8Array.from([...bytes.subarray(1), 0]),
  };
  for (const [name, lie] of Object.entries(lies)) {
    const { raw, gets, fetch } = await setUp((get) => (get > 1 && get <= 5 ? lie : undefined));
    const said = await fetch();
    assert.equal('code' in said ? said.code : undefined, 'TIER_CORRUPT', name);
    assert.deepEqual(gets, ['table', 'blocks', 'table', 'table', 'table'], name);
    const next = await fetch();
    assert.ok('result' in next, name);
    assert.ok(Buffer.from(raw).equals(next.into), name);
  }
});
