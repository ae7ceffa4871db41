/** Proves that the S3 client does what an object store has to do, on a real S3 server: Ceph radosgw from Debian packages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { openStore } from '../../src/tier/open-store.ts';
import { objectStoreContract } from '../kit/object-store-contract.ts';
import { createBucket, Radosgw, requireRadosgw } from '../kit/radosgw.ts';

test('Ceph radosgw', { timeout: 300_000 }, async (t) => {
  if (!requireRadosgw(t)) return;
  await using server = await Radosgw.start();
  await createBucket(server, 'one');
  await objectStoreContract(t, async () => openStore(server.url('one', 'a/prefix'), systemClock, server.credentials));

  await t.test('a thousand objects and more are listed in pages', async () => {
    const store = openStore(server.url('one', 'many'), systemClock, server.credentials);
    const keys = Array.from({ length: 1_203 }, (_, i) => `k/${String(i).padStart(5, '0')}`);
    for (let from = 0; from < keys.length; from += 40) {
      await Promise.all(keys.slice(from, from + 40).map((key) => store.put(key, Buffer.from(key))));
    }
    const found: string[] = [];
    for await (const { key } of store.list('k/')) found.push(key);
    assert.deepEqual(found.sort(), keys);
  });

  await t.test('wrong keys, a wrong bucket and nobody there are told apart', async () => {
    const { credentials } = server;
    const wrongKey = openStore(server.url('one'), systemClock, { ...credentials, AWS_SECRET_ACCESS_KEY: 'wrong' });
    await assert.rejects(wrongKey.get('k'), { code: 'TIER_REFUSED' });
    const noBucket = openStore(server.url('absent-bucket'), systemClock, credentials);
    await assert.rejects(noBucket.put('k', new Uint8Array(1)), { code: 'TIER_REFUSED' });
    await assert.rejects(noBucket.get('k'), { code: 'TIER_REFUSED' });
    const nobody = openStore('s3://one?endpoint=http://127.0.0.1:1', systemClock, credentials);
    await assert.rejects(nobody.get('k'), { code: 'TIER_UNAVAILABLE' });
    await assert.rejects(nobody.put('k', new Uint8Array(1)), { code: 'TIER_OUTCOME_UNKNOWN' });
  });
});
