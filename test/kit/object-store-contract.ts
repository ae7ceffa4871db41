/** What every object store has to do (`src/store/object-store.ts`); each implementation's test runs it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ObjectInfo, ObjectStore } from '../../src/store/object-store.ts';

async function listed(store: ObjectStore, prefix: string): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const each of store.list(prefix)) found.push(each);
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** @param open a store that is empty. */
export async function objectStoreContract(t: TestContext, open: () => Promise<ObjectStore>): Promise<void> {
  const store = await open();

  await t.test('an object comes back as it was written, whole and in part', async () => {
    const body = new Uint8Array(300_000).map((_, i) => (i * 7919) & 0xff);
    assert.equal(await store.put('a/whole', body), 'stored');
    assert.deepEqual(Buffer.from((await store.get('a/whole')) ?? []), Buffer.from(body));
    for (const [position, sizeBytes] of [
      [0, 1],
      [299_999, 1],
      [1_000, 250_000],
      [0, 300_000],
    ] as const) {
      const part = await store.get('a/whole', { position, sizeBytes });
      assert.deepEqual(Buffer.from(part ?? []), Buffer.from(body.subarray(position, position + sizeBytes)));
    }
  });

  // As a chunk comes that was put together in memory that threads share: many pieces, of all lengths.
  await t.test('an object that comes in pieces is one', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(6_000_000));
    for (let i = 0; i < shared.length; i++) shared[i] = (i * 7919) & 0xff;
    const pieces: Uint8Array[] = [];
    for (let at = 0, i = 0; at < shared.length; i++) {
      const end = Math.min(shared.length, at + (i % 2000 === 9 ? 5_000_000 : i % 300));
      pieces.push(shared.subarray(at, end));
      at = end;
    }
    assert.equal(await store.put('a/pieces', pieces), 'stored');
    assert.ok(Buffer.from((await store.get('a/pieces')) ?? []).equals(shared));
    assert.equal(await store.put('a/no-piece', []), 'stored');
    assert.equal((await store.get('a/no-piece'))?.length, 0);
  });

  await t.test('a range behind the end is an error, an absent object is none', async () => {
    await store.put('a/short', bytes('12345'));
    await assert.rejects(store.get('a/short', { position: 3, sizeBytes: 3 }), { code: 'TIER_CORRUPT' });
    await assert.rejects(store.get('a/short', { position: 9, sizeBytes: 1 }), { code: 'TIER_CORRUPT' });
    assert.equal(await store.get('a/absent'), undefined);
    assert.equal(await store.get('a/absent', { position: 0, sizeBytes: 4 }), undefined);
    await store.put('a/empty', bytes(''));
    assert.equal((await store.get('a/empty'))?.length, 0);
  });

  await t.test('a second put replaces, unless it must not', async () => {
    await store.put('b/one', bytes('first'));
    assert.equal(await store.put('b/one', bytes('second')), 'stored');
    assert.equal(await store.put('b/one', bytes('third'), { ifAbsent: true }), 'exists');
    assert.equal(Buffer.from((await store.get('b/one')) ?? []).toString(), 'second');
  });

  await t.test('of many that write where nothing is, one wins, and its bytes stay', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.put('b/race', bytes(`writer ${i}`), { ifAbsent: true })),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'stored').length, 1);
    const winner = outcomes.indexOf('stored');
    assert.equal(Buffer.from((await store.get('b/race')) ?? []).toString(), `writer ${winner}`);
  });

  await t.test('a list has what begins so, with sizes and ages', async () => {
    await store.put('c/list/x', bytes('1'));
    await store.put('c/list/y.z-_', bytes('22'));
    await store.put('c/other', bytes('333'));
    const found = await listed(store, 'c/list/');
    assert.deepEqual(
      found.map(({ key, sizeBytes }) => [key, sizeBytes]),
      [
        ['c/list/x', 1],
        ['c/list/y.z-_', 2],
      ],
    );
    assert.ok(found.every(({ ageMs }) => ageMs >= 0 && ageMs < 600_000));
    assert.deepEqual(await listed(store, 'nothing/'), []);
  });

  await t.test('what is deleted is gone; deleting it again is no error', async () => {
    await store.put('d/one', bytes('1'));
    await store.delete('d/one');
    assert.equal(await store.get('d/one'), undefined);
    await store.delete('d/one');
    assert.deepEqual(await listed(store, 'd/'), []);
  });
}
