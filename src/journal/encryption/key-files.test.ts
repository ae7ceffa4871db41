/** Keys are made once, opened by the master key that wraps them alone, rotated without another file being written, refused by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { FIRST_MASTER, OTHER_MASTER, ROTATED_MASTERS } from '../../../test/kit/keys.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import type { MillraceError } from '../../base/errors.ts';
import { listKeyFiles, loadDataKeys, openDataKeys, refuseWithoutKeys, shredKeys } from './key-files.ts';
import { type MasterKeys, parseMasterKeys } from './master-keys.ts';

const clock = new ManualClock();

async function open(disk: FakeDisk, masters: MasterKeys, prefixes: readonly string[] = []) {
  return await openDataKeys(disk, '/d', clock, masters, prefixes);
}

test('one key, and one for each prefix; the same with every start', async () => {
  const disk = new FakeDisk();
  const first = await open(disk, FIRST_MASTER, ['food.', 'food.eggs.']);
  const again = await open(disk, FIRST_MASTER, ['food.', 'food.eggs.']);
  assert.deepEqual(again.all, first.all);
  assert.equal(first.all.length, 3);
  assert.equal(first.prefixOf('food.eggs.brown'), 'food.eggs.');
  assert.equal(first.prefixOf('food.ham'), 'food.');
  assert.equal(first.prefixOf('foodstuff'), '');
  const files = [...disk.content().values()].map((bytes) => Buffer.from(bytes).toString());
  for (const { key } of first.all) assert.ok(files.every((text) => !text.includes(Buffer.from(key).toString('hex'))));
});

test('another master key makes a new key and wraps the old ones; the old master key then opens nothing', async () => {
  const disk = new FakeDisk();
  const before = await open(disk, FIRST_MASTER, ['food.']);
  const after = await open(disk, ROTATED_MASTERS, ['food.']);
  for (const key of before.all) assert.deepEqual(after.byNumber(key.number, ''), key);
  assert.notEqual(after.active('').number, before.active('').number);
  assert.notEqual(after.active('food.').number, before.active('food.').number);
  assert.deepEqual(
    new Set((await listKeyFiles(disk, '/d')).map((file) => (file.state === 'wrapped' ? file.master : ''))),
    new Set(['second']),
  );
  await assert.rejects(open(disk, FIRST_MASTER), { code: 'STORE_KEY_MISSING', message: /'second'.*given are first/ });
  assert.deepEqual((await open(disk, [ROTATED_MASTERS[0]])).all, after.all);
});

test('a deleted key is gone for good, and its number is not used again', async () => {
  const disk = new FakeDisk();
  const before = await open(disk, FIRST_MASTER, ['food.']);
  const food = before.active('food.');
  const files = disk.content();
  assert.equal(await shredKeys(disk, '/d', 'food.', 5), 1);
  const after = await open(disk, FIRST_MASTER, ['food.']);
  assert.throws(() => after.byNumber(food.number, 'a file'), { code: 'STORE_KEY_MISSING', message: /deleted/ });
  assert.ok(after.active('food.').number > food.number);
  assert.deepEqual(after.active(''), before.active(''));
  const wrapped = /"wrapped":"(\w+)"/.exec(
    Buffer.from(files.get(`/d/keys/000000000${food.number}.key`) ?? []).toString(),
  );
  for (const bytes of disk.content().values()) assert.ok(!Buffer.from(bytes).includes(wrapped?.[1] ?? 'none'));
  assert.equal(await shredKeys(disk, '/d', 'absent.', 5), 0);
});

test('a wrong master key is refused with the name of the right one, and changes nothing', async () => {
  const disk = new FakeDisk();
  await open(disk, FIRST_MASTER);
  const files = disk.content();
  for (const work of [() => open(disk, OTHER_MASTER), () => loadDataKeys(disk, '/d', OTHER_MASTER)]) {
    await assert.rejects(work, { code: 'STORE_KEY_MISSING', message: /'first'.*given are other/ });
  }
  await assert.rejects(refuseWithoutKeys(disk, '/d'), { code: 'STORE_KEY_MISSING', message: /'first'/ });
  const impostor = parseMasterKeys(`first ${'44'.repeat(32)}`, 'the test');
  await assert.rejects(open(disk, impostor), { code: 'STORE_CORRUPT', message: /'first' does not open it/ });
  assert.deepEqual(disk.content(), files);
});

test('a key file that was changed anywhere is refused', async () => {
  const disk = new FakeDisk();
  await open(disk, FIRST_MASTER);
  const [[path, bytes] = ['', new Uint8Array(0)]] = [...disk.content()];
  for (let at = 0; at < bytes.length - 1; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    const outcome = await loadDataKeys(new FakeDisk({}, new Map([[path, changed]])), '/d', FIRST_MASTER).then(
      (keys) => keys?.all,
      (error: MillraceError) => error.code,
    );
    // The time is for people, and is not needed to open the key.
    if (typeof outcome === 'object') assert.match(Buffer.from(changed).toString(), /"createdAt":\d+/);
    else assert.match(String(outcome), /^STORE_(CORRUPT|KEY_MISSING)$/, `changed at ${at}`);
  }
});

test('master keys: with an id or without, hexadecimal or base64, comments; anything else is refused and not shown', () => {
  const hex = 'ab'.repeat(32);
  const base64 = Buffer.from(hex, 'hex').toString('base64');
  const keys = parseMasterKeys(`# keys\n\n2026-11 ${hex}\r\nold ${base64}`, 'x');
  assert.deepEqual(
    keys.map(({ id }) => id),
    ['2026-11', 'old'],
  );
  assert.deepEqual(keys[0].key, keys[1]?.key);
  assert.equal(parseMasterKeys(hex, 'x')[0].id, parseMasterKeys(base64, 'x')[0].id);
  for (const text of ['', '# only', 'a b c', `${hex}00`, 'short', `id! ${hex}`, `a ${hex}\na ${base64}`]) {
    assert.throws(
      () => parseMasterKeys(text, 'env:KEY'),
      (error: MillraceError) => error.code === 'CONFIG_INVALID' && !error.message.includes(hex),
    );
  }
});
