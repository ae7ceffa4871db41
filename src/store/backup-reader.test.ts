/** Frames and manifests: golden bytes, split anywhere, cut anywhere, each bit changed, hostile lengths and manifests. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inPieces } from '../../test/kit/backup-kit.ts';
import { writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import type { MillraceError } from '../base/errors.ts';
import { BackupFrameWriter } from './backup-frame.ts';
import { type BackupManifest, encodeManifest, parseManifest } from './backup-manifest.ts';
import { BackupReader } from './backup-reader.ts';

const GOLDEN = Buffer.from(
  readFileSync(new URL('../../test/golden/backup/version-1.hex', import.meta.url), 'utf8').replaceAll(/\s/g, ''),
  'hex',
);
const ID = '00112233aabbccdd';
const MANIFEST: BackupManifest = {
  format: 1,
  id: ID,
  clusterId: 'c2VlZHM',
  version: '0.1.0',
  createdAt: 1_700_000_000_000,
  journalFile: 3,
  files: [
    { kind: 'checkpoint', number: 3, sizeBytes: 5, in: ID },
    { kind: 'chunk', number: 1, sizeBytes: 9, in: '8899aabbccddeeff' },
  ],
};

async function read(bytes: Uint8Array, pieceBytes?: number): Promise<string[]> {
  const reader = await BackupReader.open(inPieces(bytes, pieceBytes), 'test');
  const found = [JSON.stringify(reader.manifest)];
  for await (const piece of reader.pieces()) {
    found.push(`${piece.file.kind} ${piece.file.number} at ${piece.position}: ${Buffer.from(piece.bytes).toString()}`);
  }
  return found;
}

async function codeOf(bytes: Uint8Array): Promise<string> {
  return await read(bytes).then(
    () => 'none',
    (error: MillraceError) => error.code,
  );
}

test('the golden bytes say what they should, and are written again as they are', async () => {
  const expected = [JSON.stringify(MANIFEST), 'checkpoint 3 at 0: hello'];
  for (const pieceBytes of [1, 2, 7, 31, 32, 33, 1_000]) assert.deepEqual(await read(GOLDEN, pieceBytes), expected);
  const writer = new BackupFrameWriter();
  const [manifest, piece, end] = [encodeManifest(MANIFEST), Buffer.from('hello'), Buffer.from('{"files":1,"bytes":5}')];
  const frames = [
    ...[writer.head('manifest', manifest), manifest],
    ...[writer.head('piece', piece, 0, 0), piece],
    ...[writer.head('end', end), end],
  ];
  assert.equal(Buffer.concat(frames).toString('hex'), GOLDEN.toString('hex'));
});

test('cut anywhere it is not whole; with any bit changed, or with more behind it, it is corrupt', async () => {
  for (let at = 0; at < GOLDEN.length; at++) {
    assert.match(await codeOf(GOLDEN.subarray(0, at)), /^BACKUP_(INCOMPLETE|CORRUPT)$/, `cut at ${at}`);
    const changed = Buffer.from(GOLDEN);
    changed[at] = (changed[at] as number) ^ (1 << (at % 8));
    assert.match(await codeOf(changed), /^BACKUP_(INCOMPLETE|CORRUPT)$/, `changed at ${at}`);
  }
  assert.equal(await codeOf(Buffer.concat([GOLDEN, GOLDEN])), 'BACKUP_CORRUPT');
  assert.equal(await codeOf(Buffer.alloc(0)), 'BACKUP_INCOMPLETE');
});

test('a frame that claims more than it may is refused before it is read', async () => {
  const bytes = Buffer.from(GOLDEN);
  writeUint32(bytes, 20, 0xffff_ffff);
  writeUint32(bytes, 28, crc32c(bytes.subarray(0, 28)));
  await assert.rejects(read(bytes), /4294967295 bytes/);
});

test('manifests that lie are refused', () => {
  const bad: readonly unknown[] = [
    [],
    null,
    { ...MANIFEST, format: 2 },
    { ...MANIFEST, id: '../../etc' },
    { ...MANIFEST, clusterId: 5 },
    { ...MANIFEST, journalFile: 4 },
    { ...MANIFEST, createdAt: -1 },
    { ...MANIFEST, files: {} },
    { ...MANIFEST, files: [] },
    { ...MANIFEST, files: [{ kind: 'checkpoint', number: 3, sizeBytes: 0, in: ID }] },
    { ...MANIFEST, files: [{ kind: 'checkpoint', number: 3, sizeBytes: 5, in: '8899aabbccddeeff' }] },
    { ...MANIFEST, files: [...MANIFEST.files, { kind: '../lock', number: 1, sizeBytes: 1, in: ID }] },
    { ...MANIFEST, files: [...MANIFEST.files, { kind: 'journal', number: 1.5, sizeBytes: 1, in: ID }] },
    { ...MANIFEST, files: [...MANIFEST.files, { kind: 'journal', number: 0, sizeBytes: 1, in: ID }] },
    { ...MANIFEST, files: [...MANIFEST.files, ...MANIFEST.files.slice(1)] },
  ];
  for (const value of bad) {
    const body = new TextEncoder().encode(JSON.stringify(value));
    assert.throws(() => parseManifest(body, 'test'), { code: 'BACKUP_CORRUPT' }, JSON.stringify(value));
  }
});
