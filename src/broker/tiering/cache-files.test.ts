/** Proves: a cache file is closed behind what is written into it, and whoever writes behind its removal begins with an empty one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import type { Disk, DiskFile } from '../../journal/disk.ts';
import { cachePath } from '../../journal/paths.ts';
import { CacheFiles } from './cache-files.ts';

const DIRECTORY = '/data';
const PLACE = { chunk: 7, object: 'o', rawBytes: 100, storedBytes: 1 };
const PATH = cachePath(DIRECTORY, PLACE.chunk);

/** A disk whose writes take until they may end. */
function setUp() {
  const disk = new FakeDisk({ turns: () => 0 });
  const kit = { writesBehind: Promise.resolve(), log: [] as string[], refuses: false };
  const slow = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get: (target, name) => {
        if (name === 'write') {
          return async (pieces: readonly Uint8Array[], position: number) => {
            const behind = kit.writesBehind;
            kit.log.push(`write ${position}`);
            await behind;
            await target.write(pieces, position);
            kit.log.push(`written ${position}`);
          };
        }
        if (name === 'close') kit.log.push('close');
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const watched = new Proxy<Disk>(disk, {
    get: (target, name) => {
      if (name === 'open') {
        return async (...asked: Parameters<Disk['open']>) => {
          if (kit.refuses) throw new Error('The disk is full.');
          return slow(await target.open(...asked));
        };
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { disk, kit, files: new CacheFiles(watched, DIRECTORY) };
}

async function content(disk: Disk): Promise<Uint8Array | undefined> {
  const file = await disk.open(PATH, 'read').catch(() => undefined);
  if (file === undefined) return undefined;
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

// The number of the file was another one's by then.
test('a file that is dropped or closed while it is written to is closed behind that', async () => {
  for (const end of ['drop', 'close'] as const) {
    const { disk, kit, files } = setUp();
    const gate = Promise.withResolvers<void>();
    kit.writesBehind = gate.promise;
    const writes = [0, 10].map((position) => files.write(PLACE, new Uint8Array(10).fill(1), position));
    await settle();
    const ending = end === 'drop' ? files.drop(PLACE.chunk) : files.close();
    await settle();
    assert.deepEqual(kit.log, ['write 0', 'write 10'], end);
    gate.resolve();
    await Promise.all([...writes, ending]);
    assert.equal(kit.log.at(-1), 'close');
    assert.equal((await content(disk)) === undefined, end === 'drop');
  }
});

test('who writes while a file goes waits for that, and begins with an empty one', async () => {
  const { disk, kit, files } = setUp();
  const gate = Promise.withResolvers<void>();
  kit.writesBehind = gate.promise;
  const first = files.write(PLACE, new Uint8Array(10).fill(1), 0);
  await settle();
  kit.writesBehind = Promise.resolve();
  const drops = [files.drop(PLACE.chunk), files.drop(PLACE.chunk)];
  const second = files.write(PLACE, new Uint8Array(10).fill(2), 50);
  await settle();
  assert.deepEqual(kit.log, ['write 0']);
  gate.resolve();
  await Promise.all([first, ...drops, second]);
  const bytes = (await content(disk)) ?? new Uint8Array();
  assert.deepEqual([bytes.length, bytes[0], bytes[50], bytes[59], bytes[60]], [100, 0, 2, 2, 0]);
  await files.close();
});

test('a file that cannot be made is told to who writes, and the next one tries again', async () => {
  const { disk, kit, files } = setUp();
  kit.refuses = true;
  await assert.rejects(files.write(PLACE, new Uint8Array(10), 0), /full/);
  await files.drop(PLACE.chunk);
  kit.refuses = false;
  await files.write(PLACE, new Uint8Array(10).fill(3), 0);
  assert.equal((await content(disk))?.[0], 3);
  await files.close();
});
