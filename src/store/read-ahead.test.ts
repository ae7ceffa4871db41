/** Who reads in order finds what follows on its way, in large pieces and once; who reads here and there costs nothing more. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { CompressingDisk } from '../journal/compression/compressing-disk.ts';
import type { Disk, DiskFile } from '../journal/disk.ts';
import { NodeDisk } from '../journal/node-disk.ts';
import { FileHandles } from './file-handles.ts';
import { ReadAhead } from './read-ahead.ts';

const MIB = 1024 * 1024;

function setUp(): { ahead: ReadAhead; warmed: [number, number][]; done: () => Promise<void> } {
  const warmed: [number, number][] = [];
  const waiting: (() => void)[] = [];
  const ahead = new ReadAhead({
    warm: (_path, position, sizeBytes) => {
      warmed.push([position / MIB, (position + sizeBytes) / MIB]);
      return new Promise<void>((resolve) => waiting.push(resolve));
    },
  });
  const done = async (): Promise<void> => {
    for (const resolve of waiting.splice(0)) resolve();
    await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { ahead, warmed, done };
}

test('a reader in order is kept ahead of, without a gap and without anything twice', async () => {
  const { ahead, warmed, done } = setUp();
  for (let at = 0; at < 20; at++) {
    // The frame in which the last answer ended is read again.
    ahead.read(-1, 'chunk', Math.max(0, at * MIB - 1_000), (at + 1) * MIB);
    await done();
  }
  assert.deepEqual(warmed[0], [2, 10]);
  for (const [i, [from, to]] of warmed.entries()) {
    assert.ok(to - from >= 4, 'in large pieces');
    if (i > 0) assert.equal(from, warmed[i - 1]?.[1]);
  }
  assert.ok((warmed.at(-1)?.[1] ?? 0) >= 24);
});

test('who reads here and there, or the same again, is left alone; one stretch at a time comes', async () => {
  const { ahead, warmed, done } = setUp();
  for (const at of [5, 0, 9, 3, 3, 1, 7, 7]) ahead.read(-1, 'chunk', at * MIB, at * MIB + 1_000);
  assert.deepEqual(warmed, []);
  ahead.read(-2, 'other', 0, MIB);
  ahead.read(-2, 'other', MIB, 2 * MIB);
  ahead.read(-3, 'third', 0, MIB);
  ahead.read(-3, 'third', MIB, 2 * MIB);
  assert.equal(warmed.length, 1, 'the second waits for its next read');
  await done();
  ahead.read(-3, 'third', 2 * MIB, 3 * MIB);
  assert.equal(warmed.length, 2);
});

test("disks: a stretch is read, past the end too; a compressed file names where it stands; a failure is nobody's", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-ahead-'));
  const file = path.join(directory, 'file');
  writeFileSync(file, new Uint8Array(3_000_000));
  const handles = new FileHandles(new NodeDisk());
  await handles.warm(file, 1_000_000, 10_000_000);
  await handles.warm(path.join(directory, 'nothing'), 0, 10);
  await handles.close();
  await handles.warm(file, 0, 10);
  rmSync(directory, { recursive: true });
  const raw = new FakeDisk({ turns: () => 0 });
  const written = new CompressingDisk(raw, 'zstd', 4_096);
  const chunk = '/data/chunk/0000000001.chunk';
  const out = await written.open(chunk, 'create');
  await out.write([new Uint8Array(40_960)], 0);
  await out.close();
  const asked: [number, number][] = [];
  const disk = new CompressingDisk(new WarmDisk(raw, asked), 'none');
  const opened = await disk.open(chunk, 'read');
  await opened.warm?.(0, 40_960);
  await opened.warm?.(50_000, 10);
  await opened.warm?.(8_000, 1_000_000);
  await opened.close();
  const storedBytes = (raw.content().get(chunk)?.length ?? 0) - 64 - 10 * 12 - 64;
  assert.deepEqual(asked, [
    [64, storedBytes],
    [64 + storedBytes / 10, storedBytes * 0.9],
  ]);
});

/** Tells what is asked for ahead. */
class WarmDisk extends FakeDisk implements Disk {
  readonly #inner: Disk;
  readonly #asked: [number, number][];

  constructor(inner: Disk, asked: [number, number][]) {
    super();
    this.#inner = inner;
    this.#asked = asked;
  }

  override async open(name: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    const file = await this.#inner.open(name, mode);
    return Object.assign(file, {
      warm: async (position: number, sizeBytes: number) => {
        this.#asked.push([position, sizeBytes]);
      },
    });
  }
}
