/**
 * The bytes of version 1: exactly those of the worked example in docs/formats.md, written and read; and what a reader
 * makes of bytes that nobody wrote. The fixture was written by the first implementation and checked by hand against the
 * byte tables; it must never change.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { forgetfulMemory, makeBatch, RecordingFold, transact } from '../../test/kit/journal-fixtures.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import * as fc from '../../test/kit/properties.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { writeUint32 } from '../base/bytes.ts';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytes,
  decodeCommitHeader,
  decodeRow,
  emptyHeader,
  emptyRow,
  encodeCommitHeader,
  encodeRow,
  headerChecksum,
  ROW_BYTES,
} from './commit.ts';
import { CommitCursor } from './commit-cursor.ts';
import type { DiskFile } from './disk.ts';
import { describeItem, dumpJournal } from './dump.ts';
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES, type FileHeader } from './file-header.ts';
import { LocalJournal } from './local-journal.ts';
import { journalPath, numberedFiles, parseNumberedName } from './paths.ts';
import { ReadWindow } from './read-window.ts';

const golden = Buffer.from(
  (await readFile(new URL('../../test/golden/journal/version-1.hex', import.meta.url), 'utf8')).replaceAll(/\s/g, ''),
  'hex',
);
const DIRECTORY = '/data';
const PATH = journalPath(DIRECTORY, 1);

function openJournal(disk: FakeDisk, fold: RecordingFold, clock = new ManualClock()): Promise<LocalJournal> {
  return LocalJournal.open({
    directory: DIRECTORY,
    disk,
    fold,
    clock,
    pool: new BufferPool(0),
    memory: forgetfulMemory,
    observer: {},
    sync: 'always',
    random: () => 0.5,
  });
}

test('golden: the journal writes the example byte for byte', { timeout: 60_000 }, async () => {
  const disk = new FakeDisk();
  const clock = new ManualClock(1_795_000_000_000);
  const journal = await openJournal(disk, new RecordingFold(), clock);
  await transact(journal, 'durable', (commit) => {
    commit.command(7, Buffer.from('hello'));
    commit.batches(3, 0, 2, makeBatch(0, 2, Buffer.from('two records')));
  }).promise;
  clock.advance(5);
  await journal.close();
  assert.equal(Buffer.from(disk.content().get(PATH) ?? []).toString('hex'), golden.toString('hex'));
});

test('golden: the example is read', { timeout: 60_000 }, async () => {
  const disk = new FakeDisk({}, new Map([[PATH, golden]]));
  const lines = [];
  for await (const item of dumpJournal({ disk, directory: DIRECTORY })) lines.push(...describeItem(item));
  assert.deepEqual(lines, [
    'file 1, 320 bytes, from commit 1, 2026-11-18T11:06:40.000Z',
    'commit 1 at 1:64, 192 bytes, 2026-11-18T11:06:40.000Z, durable to 0',
    '  command 7, 5 bytes, checksum 0x9a71bb4c',
    '  batches of partition 3, offsets 0 to 1, 72 bytes',
    'commit 2 at 1:256, 64 bytes, 2026-11-18T11:06:40.005Z, durable to 1, clean end',
  ]);
  const fold = new RecordingFold();
  const journal = await openJournal(disk, fold);
  assert.deepEqual(fold.entries, ['c 1 t7 5:2591144780', fold.entries[1]]);
  assert.deepEqual([fold.runs[0]?.file, fold.runs[0]?.position, fold.runs[0]?.sizeBytes], [1, 133, 72]);
  assert.equal(journal.recovery.cleanEnd, true);
  await journal.close();
});

test('golden: docs/formats.md shows these bytes', async () => {
  const text = await readFile(new URL('../../docs/formats.md', import.meta.url), 'utf8');
  // The first worked example; those of the index, the checkpoint and the commands, which begin at 0000 again, follow it.
  const lines = text.match(/^[0-9a-f]{4} {2}(?:[0-9a-f]{2} )+/gm) ?? [];
  const nextExample = lines.findIndex((line, index) => index > 0 && line.startsWith('0000'));
  const shown = lines.slice(0, nextExample).map((line) => line.slice(4).replaceAll(' ', ''));
  assert.equal(shown.join(''), golden.toString('hex'));
});

test('a file cut anywhere gives whole commits only', { timeout: 60_000 }, async () => {
  for (let sizeBytes = 0; sizeBytes < golden.length; sizeBytes++) {
    const disk = new FakeDisk({ turns: () => 0 }, new Map([[PATH, golden.subarray(0, sizeBytes)]]));
    const fold = new RecordingFold();
    const journal = await openJournal(disk, fold);
    assert.equal(fold.entries.length, sizeBytes < 256 ? 0 : 2, `cut at ${sizeBytes}`);
    const torn = sizeBytes !== 0 && sizeBytes !== 64 && sizeBytes !== 256;
    assert.equal(journal.recovery.torn !== undefined, torn, `cut at ${sizeBytes}`);
    await journal.close();
  }
});

const count = fc.integer({ min: 0, max: 0xffff_ffff });
const large = fc.maxSafeNat();

test('headers and rows survive a round trip', () => {
  const fields = { createdAt: large, bodyBytes: count, entryCount: count, previousChecksum: count };
  const arbitrary = fc.record({
    flags: fc.nat(255),
    commit: large,
    incarnation: large,
    durableCommit: large,
    ...fields,
  });
  fc.assert(
    fc.property(arbitrary, fc.uint8Array({ maxLength: 400 }), (header, table) => {
      fc.pre(header.durableCommit < header.commit);
      const bytes = new Uint8Array(COMMIT_HEADER_BYTES + 8);
      const checksum = encodeCommitHeader(bytes, 8, { ...header, checksum: 0 }, table);
      const decoded = emptyHeader();
      assert.equal(decodeCommitHeader(bytes, 8, decoded), undefined);
      assert.deepEqual(decoded, { ...header, checksum } satisfies CommitHeader);
      assert.equal(headerChecksum(bytes, 8, table), checksum);
    }),
  );
  const row = { kind: fc.nat(255), command: fc.nat(65_535), bytes: count, partition: count, checksumOrCount: count };
  fc.assert(
    fc.property(fc.record({ ...row, baseOffset: large }), (value) => {
      const bytes = new Uint8Array(ROW_BYTES);
      encodeRow(bytes, 0, value);
      const decoded = emptyRow();
      decodeRow(bytes, 0, decoded);
      assert.deepEqual(decoded, { ...value });
    }),
  );
});

const FILE_HEADER: FileHeader = {
  lane: 0,
  file: 1,
  incarnation: 77,
  firstCommit: 1,
  createdAt: 0,
  previousChecksum: 0,
  durableCommit: 0,
};

/** A file in memory whose size is what it claims, so that a reader that trusts lengths would be found out. */
function fileOf(bytes: Uint8Array): DiskFile {
  return {
    read: async (into, position) => {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
    size: async () => bytes.length,
  } as DiskFile;
}

test('hostile: arbitrary bytes are never a commit and never throw', { timeout: 60_000 }, async () => {
  const start = fc.constantFrom(
    new Uint8Array(0),
    golden.subarray(64, 80),
    golden.subarray(64, 128),
    golden.subarray(64),
  );
  await fc.assert(
    fc.asyncProperty(start, fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (prefix, rest, whole) => {
      const bytes = Buffer.concat([encodeFileHeader(FILE_HEADER), prefix, rest]);
      const outcome = decodeFileHeader(whole ? bytes : rest);
      assert.equal(outcome.kind, whole ? 'header' : 'bad');
      const cursor = new CommitCursor(fileOf(bytes), FILE_HEADER, bytes.length, new ReadWindow());
      let step = cursor.next();
      if (step === 'more') {
        await cursor.fill();
        step = cursor.next();
      }
      assert.equal(step, bytes.length === FILE_HEADER_BYTES ? 'end' : 'bad');
    }),
    { numRuns: 500 },
  );
});

test('hostile: lengths and counts beyond the file are refused before memory is taken', async () => {
  for (const [position, what] of [
    [40, 'bodyBytes'],
    [44, 'entryCount'],
  ] as const) {
    const bytes = Buffer.from(golden);
    writeUint32(bytes, FILE_HEADER_BYTES + position, 0xffff_ffff);
    const header = decodeFileHeader(bytes);
    assert.ok(header.kind === 'header');
    const window = new ReadWindow();
    const cursor = new CommitCursor(fileOf(bytes), header.header, bytes.length, window);
    assert.equal(cursor.next(), 'more');
    await cursor.fill();
    assert.equal(cursor.next(), 'bad', what);
    assert.match(cursor.problem, /the file ends after 256/);
    assert.ok(window.bytes.length <= 8 * 1024 * 1024);
  }
});

test('a file header of a newer version is refused as such', { timeout: 60_000 }, async () => {
  const bytes = Buffer.from(encodeFileHeader(FILE_HEADER));
  bytes[4] = 2;
  const { crc32c } = await import('../base/crc32c.ts');
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
  assert.deepEqual(decodeFileHeader(bytes), { kind: 'unsupported', version: 2 });
  const disk = new FakeDisk({}, new Map([[PATH, bytes]]));
  await assert.rejects(openJournal(disk, new RecordingFold()), {
    code: 'JOURNAL_FORMAT_UNSUPPORTED',
    message: /version 2/,
  });
  assert.equal(disk.openHandles, 0);
});

test('commit sizes are multiples of 8', () => {
  assert.equal(commitBytes(0, 0), 64);
  assert.equal(commitBytes(1, 1), 96);
  assert.equal(commitBytes(8, 2), 120);
  assert.equal(commitBytes(77, 2), 192);
});

test('file names are built and parsed alike', () => {
  assert.equal(PATH, '/data/journal/0000000001.journal');
  assert.equal(parseNumberedName('0000000012.journal', 'journal'), 12);
  for (const name of ['0000000012.index', '12.journal', '0000000012.journal.old', 'x0000000012.journal', '']) {
    assert.equal(parseNumberedName(name, 'journal'), undefined, name);
  }
  assert.deepEqual(
    numberedFiles(['0000000010.journal', '0000000002.journal', '0000000000.journal', 'lock'], 'journal'),
    [2, 10],
  );
});
