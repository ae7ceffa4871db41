/** A round that fails leaves nothing on its way: the next one uses its chunk numbers, and its memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { messageBatch } from '../../../test/kit/message-batch.ts';
import { chunkPath } from '../../journal/paths.ts';
import { type Piece, planSpans } from '../../store/read-plan.ts';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';
import type { TieredPlace, WholeChunk } from '../tiering/messages.ts';
import { ChunkMemory } from './chunk-memory.ts';
import { ChunkWriter, type ToStore } from './chunk-writer.ts';
import type { PlannedPart } from './packed-plan.ts';
import { SealPace } from './seal-pace.ts';
import type { SealPart } from './seal-plan.ts';
import type { SealSources } from './seal-sources.ts';

const SIZE_BYTES = 1_000;

/** Partition 1 can be read, no other. */
function sourcesOf(content: Uint8Array): SealSources {
  return {
    pieces: async ({ partition }: SealPart): Promise<Piece[]> => {
      if (partition !== 1) throw new Error('the disk refuses');
      return [{ file: 1, position: 64, sizeBytes: content.length, baseOffset: 0, endOffset: 1, maxTimestamp: 0 }];
    },
    async *read(pieces: readonly Piece[]) {
      for (const span of planSpans(pieces)) yield { span, bytes: content };
    },
  } as unknown as SealSources;
}

/** Of chunks from 7 on, all of which go to the store. */
function writerTo(disk: FakeDisk, toStore: ToStore, content: Uint8Array = new Uint8Array(SIZE_BYTES)): ChunkWriter {
  return new ChunkWriter(
    {
      disk,
      directory: '/d',
      settings: { ...DEFAULT_BROKER_SETTINGS, ownChunkBytes: SIZE_BYTES },
      sources: sourcesOf(content),
      memory: new ChunkMemory(),
      pace: new SealPace(new ManualClock()),
      wrote: () => undefined,
      toStore,
    },
    7,
  );
}

function partOf(partition: number): PlannedPart {
  return { partition, logStartOffset: 0, ranges: [], sizeBytes: SIZE_BYTES, prefix: '', isCompacted: false };
}

test('a failure is told once what is on its way to the store has come there', { timeout: 60_000 }, async () => {
  const upload = Promise.withResolvers<TieredPlace>();
  const asked: number[] = [];
  const writer = writerTo(new FakeDisk(), ({ chunk }) => {
    asked.push(chunk);
    return upload.promise;
  });
  let told = false;
  const writing = writer.write([partOf(1), partOf(2)]).finally(() => {
    told = true;
  });
  writing.catch(() => undefined);
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.deepEqual([asked, told], [[7], false]);
  upload.resolve({ chunk: 7, object: 'o', rawBytes: 1, storedBytes: 1 });
  await assert.rejects(writing, /the disk refuses/);
});

// Chunks of a failed round are left for the next one, which may send the one of that number to the store: after a restart the file
// of another partition was read in its place.
test('a chunk that goes to the store leaves no file of its number', { timeout: 60_000 }, async () => {
  const disk = new FakeDisk();
  const path = chunkPath('/d', 7);
  await disk.makeDirectory();
  const stale = await disk.open(path, 'create');
  await stale.write([Buffer.from('of a round that failed')], 0);
  await stale.close();
  const writer = writerTo(disk, async ({ chunk }) => ({ chunk, object: 'o', rawBytes: 1, storedBytes: 1 }));
  const round = await writer.write([partOf(1)]);
  assert.deepEqual([round.tiered.length, round.chunks.length], [1, 0]);
  assert.ok(!disk.content().has(path));
});

test('a chunk that goes to the store says whether its batches are sound', { timeout: 60_000 }, async () => {
  const sound = messageBatch(['='.padEnd(SIZE_BYTES, 'x')]);
  const damaged = Uint8Array.from(sound);
  damaged[SIZE_BYTES] = (damaged[SIZE_BYTES] as number) ^ 1;
  for (const [content, isChecked] of [
    [sound, true],
    [damaged, false],
  ] as const) {
    const stored: WholeChunk[] = [];
    const toStore: ToStore = async (whole) => {
      stored.push({ ...whole, bytes: Uint8Array.from(whole.bytes) });
      return { chunk: whole.chunk, object: 'o', rawBytes: 1, storedBytes: 1 };
    };
    const { damages } = await writerTo(new FakeDisk(), toStore, content).write([partOf(1)]);
    assert.deepEqual([stored.map((whole) => whole.isChecked), damages.length], [[isChecked], isChecked ? 0 : 1]);
    assert.ok(Buffer.from(stored[0]?.bytes ?? []).includes(content), 'it is there as it was');
  }
});
