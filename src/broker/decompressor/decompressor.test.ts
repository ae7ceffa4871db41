/**
 * Proves: small batches are opened at once, large ones and bombs on a thread, in bounds; overload, abort, damage and close
 * are answered; a thread that dies takes only its own job along. Real threads, so every test has a deadline.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { BatchBuilder } from '../../model/batch-builder.ts';
import type { CodecName } from '../../model/record-batch.ts';
import { RecordCursor } from '../../model/record-codec.ts';
import { Decompressor } from './decompressor.ts';

const MIB = 1024 * 1024;
const DEADLINE = { timeout: 60_000 };

function batchOf(value: Uint8Array | string, codec: CodecName): Uint8Array {
  const builder = new BatchBuilder({ codec, maxBytes: 64 * MIB });
  builder.add({ value, timestamp: 1 });
  return builder.build();
}

function valueLength(batch: Uint8Array, records: Uint8Array): number | undefined {
  const cursor = new RecordCursor(batch, 0, records);
  cursor.next();
  return cursor.value?.length;
}

/** Does not compress, so it is beyond what is opened at once. */
const large = batchOf(randomBytes(300_000), 'gzip');
/** A few kilobytes that expand to 8 MiB. */
const dense = batchOf(Buffer.alloc(8 * MIB), 'zstd');

test('small batches are opened without a thread, uncompressed ones are not copied', DEADLINE, async () => {
  const decompressor = new Decompressor({ threads: 0 });
  const small = batchOf('hello', 'lz4');
  assert.equal(valueLength(small, await decompressor.open(small, 0)), 5);
  const plain = batchOf('x'.repeat(200_000), 'none');
  assert.equal((await decompressor.open(plain, 0)).buffer, plain.buffer);
  await decompressor.close();
});

test('large and dense batches of every codec come back whole from the thread', DEADLINE, async () => {
  const decompressor = new Decompressor();
  const codecs: CodecName[] = ['gzip', 'snappy', 'lz4', 'zstd'];
  const batches = [dense, ...codecs.map((codec) => batchOf(randomBytes(150_000), codec))];
  const padded = batches.map((batch) => Buffer.concat([Buffer.alloc(3), batch]));
  const opened = await Promise.all(padded.map((bytes) => decompressor.open(bytes, 3)));
  const lengths = opened.map((records, i) => valueLength(batches[i] as Uint8Array, records));
  assert.deepEqual(lengths, [8 * MIB, 150_000, 150_000, 150_000, 150_000]);
  assert.ok(
    padded.every((bytes, i) => bytes.subarray(3).equals(batches[i] as Uint8Array)),
    'the input stays as it was',
  );
  assert.equal(decompressor.pendingCount, 0);
  await decompressor.close();
});

test('a bomb is refused at the limit, damage is named, and the thread goes on', DEADLINE, async () => {
  const decompressor = new Decompressor({ maxOutputBytes: 2 * MIB });
  await assert.rejects(decompressor.open(dense, 0), {
    code: 'MODEL_DECOMPRESSED_TOO_LARGE',
    details: { maxBytes: 2 * MIB },
  });
  const damaged = Uint8Array.from(large);
  damaged.fill(0, 100, 5000);
  await assert.rejects(decompressor.open(damaged, 0), { code: 'MODEL_RECORD_INVALID', message: /gzip/ });
  assert.equal(valueLength(large, await decompressor.open(large, 0)), 300_000);
  await decompressor.close();
});

test('what would wait beyond the limits is refused at once', DEADLINE, async () => {
  const byJobs = new Decompressor({ maxQueuedJobs: 1 });
  const accepted = [byJobs.open(large, 0), byJobs.open(large, 0)];
  await assert.rejects(byJobs.open(large, 0), { code: 'BROKER_OVERLOADED', kind: 'retry' });
  assert.equal((await Promise.all(accepted)).length, 2);
  const byBytes = new Decompressor({ maxQueuedBytes: large.length });
  const waiting = [byBytes.open(large, 0), byBytes.open(large, 0)];
  await assert.rejects(byBytes.open(large, 0), { code: 'BROKER_OVERLOADED' });
  await Promise.all(waiting);
  await byBytes.open(large, 0);
  await Promise.all([byJobs.close(), byBytes.close()]);
});

test('abort drops what waits, forgets what runs, and leaves the rest alone', DEADLINE, async () => {
  const decompressor = new Decompressor();
  const abort = new AbortController();
  const running = decompressor.open(large, 0, { signal: abort.signal });
  const waiting = decompressor.open(large, 0, { signal: abort.signal });
  const other = decompressor.open(large, 0);
  const reason = new Error('the client went away');
  abort.abort(reason);
  await assert.rejects(running, reason);
  await assert.rejects(waiting, reason);
  assert.equal(decompressor.pendingCount, 2, 'the running job still has the thread');
  assert.equal(valueLength(large, await other), 300_000);
  await assert.rejects(decompressor.open(large, 0, { signal: abort.signal }), reason);
  await decompressor.close();
});

test('close refuses what waits and what comes; twice is fine', DEADLINE, async () => {
  const decompressor = new Decompressor();
  const pending = [decompressor.open(large, 0), decompressor.open(large, 0)];
  const settled = Promise.allSettled(pending);
  await decompressor.close();
  await decompressor.close();
  for (const outcome of await settled) {
    assert.equal(outcome.status === 'rejected' && (outcome.reason as { code: string }).code, 'BROKER_CLOSED');
  }
  await assert.rejects(decompressor.open(large, 0), { code: 'BROKER_CLOSED' });
});

for (const [how, statement] of [
  ['throws', 'throw new Error("out of luck")'],
  ['exits', 'process.exit(3)'],
]) {
  test(`a thread that ${how} fails its own job; the next one gets a new thread`, DEADLINE, async () => {
    const source = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { ${statement}; });`;
    const decompressor = new Decompressor({ script: new URL(`data:text/javascript,${encodeURIComponent(source)}`) });
    const outcomes = await Promise.allSettled([decompressor.open(large, 0), decompressor.open(large, 0)]);
    for (const outcome of outcomes) {
      assert.equal(outcome.status === 'rejected' && (outcome.reason as { code: string }).code, 'INTERNAL');
    }
    assert.equal(decompressor.pendingCount, 0);
    await decompressor.close();
  });
}
