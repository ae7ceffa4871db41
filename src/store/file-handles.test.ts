/** Open files: shared, bounded, closed under nobody's read, and refused after the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { PoisoningPool } from '../../test/kit/poisoning-pool.ts';
import { MillraceError } from '../base/errors.ts';
import { FileHandles, isMissingFile } from './file-handles.ts';

const DEADLINE = { timeout: 60_000 };

function disk(turns = 1): FakeDisk {
  const files = new Map(['a', 'b', 'c', 'd', 'e'].map((name) => [name, Buffer.from(`content of ${name}`)]));
  return new FakeDisk({ turns: () => turns }, files);
}

function withCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

async function textOf(handles: FileHandles, path: string): Promise<string> {
  return Buffer.from(await handles.readWhole(path)).toString();
}

test('many reads of many files keep few open, and give what stands there', DEADLINE, async () => {
  const files = disk();
  const handles = new FileHandles(files, 2);
  const names = Array.from({ length: 60 }, (_, i) => 'abcde'[(i * 7) % 5] as string);
  const texts = await Promise.all(names.map((name) => textOf(handles, name)));
  assert.deepEqual(
    texts,
    names.map((name) => `content of ${name}`),
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(files.openHandles <= 3, `${files.openHandles} open`);
  await handles.close();
  assert.equal(files.openHandles, 0);
});

// The files were closed while reads ran: the descriptor may be another file's by the time the system reads.
test('close waits for the reads that run, and refuses later ones', DEADLINE, async () => {
  const files = disk(5);
  const handles = new FileHandles(files);
  const running = ['a', 'b', 'c', 'd'].map((name) => textOf(handles, name));
  const settled = Promise.allSettled(running);
  await new Promise((resolve) => setImmediate(resolve));
  let open = -1;
  await handles.close().then(() => (open = files.openHandles));
  assert.equal(open, 0);
  const results = await settled;
  assert.deepEqual(
    results.map((one) => one.status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  );
  await assert.rejects(textOf(handles, 'a'), withCode('STORE_CLOSED'));
});

test('a short file, a missing one and a failing disk are told apart; no lease is lost', DEADLINE, async () => {
  const files = disk();
  const handles = new FileHandles(files);
  const pool = new PoisoningPool();
  await assert.rejects(handles.readLease(pool, 'a', 100, 0), withCode('STORE_CORRUPT'));
  await assert.rejects(handles.readLease(pool, 'nope', 1, 0), withCode('STORE_IO'));
  files.faults = (point) => (point === 'read' ? { code: 'EIO' } : undefined);
  await assert.rejects(handles.readLease(pool, 'a', 1, 0), withCode('STORE_IO'));
  files.faults = undefined;
  assert.equal(pool.outstanding, 0);
  const lease = await handles.readLease(pool, 'a', 7, 3);
  assert.equal(Buffer.from(lease.bytes.subarray(0, 7)).toString(), 'tent of');
  lease.release();
  await handles.close();
});

test('a forgotten file is opened anew, its old handle closed behind the last read', DEADLINE, async () => {
  const files = disk(3);
  const handles = new FileHandles(files);
  const before = textOf(handles, 'a');
  // Until it is open, and its read is under way.
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  handles.forget('a');
  handles.forget('never opened');
  await files.rename('b', 'a');
  assert.equal(await before, 'content of a');
  assert.equal(await textOf(handles, 'a'), 'content of b');
  await handles.close();
});

test(
  'a file that is removed while it is open is missing, until there is another one of its name',
  DEADLINE,
  async () => {
    const files = disk();
    const handles = new FileHandles(files);
    assert.equal(await textOf(handles, 'a'), 'content of a');
    await files.remove('a');
    await assert.rejects(textOf(handles, 'a'), isMissingFile);
    await (await files.open('a', 'create')).write([Buffer.from('new')], 0);
    assert.equal(await textOf(handles, 'a'), 'new');
    await handles.close();
  },
);

test('a large read is done in parts, which all end before its memory is given back', DEADLINE, async () => {
  const content = Buffer.alloc(3_000_000);
  for (let i = 0; i < content.length; i++) content[i] = (i * 31) >> 8;
  const files = new FakeDisk({ turns: () => 3 }, new Map([['a', content]]));
  const handles = new FileHandles(files);
  const pool = new PoisoningPool();
  for (const [position, sizeBytes] of [
    [0, 3_000_000],
    [100_001, 600_000],
    [131_072, 2_500_000],
    [2_999_999, 1],
  ] as const) {
    const lease = await handles.readLease(pool, 'a', sizeBytes, position);
    assert.ok(content.subarray(position, position + sizeBytes).equals(lease.bytes.subarray(0, sizeBytes)));
    lease.release();
  }
  // Many at once find no free places, and still end.
  const many = Array.from({ length: 9 }, () => handles.readLease(pool, 'a', 2_000_000, 7));
  for (const lease of await Promise.all(many)) {
    assert.ok(content.subarray(7, 2_000_007).equals(lease.bytes.subarray(0, 2_000_000)));
    lease.release();
  }
  let reads = 0;
  files.faults = (point) => {
    if (point === 'read') reads += 1;
    return point === 'read' && reads === 1 ? { code: 'EIO' } : undefined;
  };
  await assert.rejects(handles.readLease(pool, 'a', 2_500_000, 0), withCode('STORE_IO'));
  assert.ok(reads > 1, 'the others had begun');
  assert.equal(pool.outstanding, 0);
  const again = await handles.readLease(pool, 'a', 2_500_000, 0);
  assert.ok(
    content.subarray(0, 2_500_000).equals(again.bytes.subarray(0, 2_500_000)),
    'nobody writes into it any more',
  );
  again.release();
  await handles.close();
});

test('reads that wait hold no memory', DEADLINE, async () => {
  const handles = new FileHandles(disk(5));
  const pool = new PoisoningPool();
  const reads = Array.from({ length: 50 }, () => handles.readLease(pool, 'a', 5, 0).then((lease) => lease.release()));
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(pool.outstanding <= 3, `${pool.outstanding} held`);
  }
  await Promise.all(reads);
  await handles.close();
});
