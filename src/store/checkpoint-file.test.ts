/** The checkpoint file: golden bytes, every cut and flipped bit noticed, and a write that is whole or not there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import * as fc from '../../test/kit/properties.ts';
import { SeededRandom } from '../../test/kit/seeded-random.ts';
import { MillraceError } from '../base/errors.ts';
import { readWhole, writeWhole } from '../journal/whole-file.ts';
import { decodeCheckpoint, encodeCheckpoint, type NewCheckpoint } from './checkpoint-file.ts';

const DEADLINE = { timeout: 60_000 };

const SMALL: NewCheckpoint = {
  file: 12,
  commit: 345,
  commitChecksum: 0x0badcafe,
  sectionCount: 2,
  sections: [
    [1, [Buffer.from('clus'), Buffer.from('ter')]],
    [5, []],
  ],
};

/** docs/formats.md, "Checkpoint", worked example. */
const GOLDEN =
  '4d52435001000000000000000000000c00000000000001590badcafe00000002' +
  '00000000000000000000000000000000000000000000000000000000df32f5e4' +
  '000000010000000000000007122cb262636c7573746572' +
  '0000000500000000000000000191a126';

function encode(checkpoint: NewCheckpoint): Buffer {
  return Buffer.concat([...encodeCheckpoint(checkpoint)].flat());
}

function refused(bytes: Uint8Array, fault: RegExp): void {
  assert.throws(
    () => decodeCheckpoint(bytes, 'p/1'),
    (error) =>
      error instanceof MillraceError &&
      error.code === 'STORE_CORRUPT' &&
      fault.test(error.message) &&
      error.message.includes('p/1'),
  );
}

test('golden bytes, and back', () => {
  assert.equal(encode(SMALL).toString('hex'), GOLDEN);
  const decoded = decodeCheckpoint(Buffer.from(GOLDEN, 'hex'), 'p');
  assert.deepEqual(
    { ...decoded, sections: [...decoded.sections].map(([id, body]) => [id, Buffer.from(body).toString()]) },
    {
      file: 12,
      commit: 345,
      commitChecksum: 0x0badcafe,
      sections: [
        [1, 'cluster'],
        [5, ''],
      ],
    },
  );
});

// Section headers had no checksum: a flipped bit in an id made a sound-looking checkpoint that lacked a section.
test('every cut, every flipped bit and anything behind the end is refused', () => {
  const bytes = encode(SMALL);
  for (let length = 0; length < bytes.length; length++) refused(bytes.subarray(0, length), /damaged/);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    (flipped[bit >> 3] as number) ^= 1 << (bit & 7);
    refused(flipped, /damaged/);
  }
  refused(Buffer.concat([bytes, Buffer.alloc(1)]), /1 bytes follow its last section/);
});

test('bytes of any kind are refused without more memory than they have', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => refused(bytes, /damaged/)));
});

test('a crash at any point of a write leaves the old file or the new one', DEADLINE, async () => {
  const before = Buffer.from('the one before');
  const disk = new FakeDisk({}, new Map<string, Uint8Array>([['d/1', before]]));
  const after = Buffer.alloc(5000, 7);
  await writeWhole(disk, 'd', 'd/1', [after.subarray(0, 2000), after.subarray(2000)]);
  assert.deepEqual(Buffer.from(await readWhole(disk, 'd/1')), after);
  for (let prefix = 0; prefix <= disk.operationCount; prefix++) {
    for (let seed = 0; seed < 30; seed++) {
      const left = disk.crash(prefix, new SeededRandom(seed * 1000 + prefix)).get('d/1');
      // A rename in two directory entries may be half done on this disk: the old name is then all that is missing.
      if (left === undefined) continue;
      assert.ok(before.equals(left) || after.equals(left), `prefix ${prefix}, seed ${seed}`);
    }
  }
  const final = disk.crash(disk.operationCount, new SeededRandom(1)).get('d/1');
  assert.ok(final !== undefined && after.equals(final), 'durable once it returns');
});
