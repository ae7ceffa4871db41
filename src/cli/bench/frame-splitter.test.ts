// Proves: frames come out whole and in order however the stream is cut, and a size no broker sends is refused by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { MillraceError } from '../../base/errors.ts';
import { FrameSplitter } from './frame-splitter.ts';

function frame(body: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

const refused = (error: unknown): boolean => error instanceof MillraceError && error.code === 'WIRE_FRAME_TOO_LARGE';

test('frames survive every way of cutting the stream', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 6000 }), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(bodies, cuts, (frames, sizes) => {
      const stream = Buffer.concat(frames.map(frame));
      const seen: Buffer[] = [];
      const splitter = new FrameSplitter(6000, (bytes, start, end) =>
        seen.push(Buffer.from(bytes.subarray(start, end))),
      );
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = Math.min(stream.length - at, sizes[i % sizes.length] as number);
        // Behind the end lies what an earlier read left there, as in the shared slab.
        splitter.push(Buffer.concat([stream.subarray(at, at + size), Buffer.alloc(16, 0xee)]), size);
        at += size;
      }
      assert.deepEqual(
        seen,
        frames.map((body) => Buffer.from(body)),
      );
    }),
  );
});

test('byte by byte', () => {
  const seen: string[] = [];
  const splitter = new FrameSplitter(100, (bytes, start, end) => seen.push(bytes.toString('latin1', start, end)));
  for (const byte of Buffer.concat([frame(Buffer.from('one')), frame(Buffer.alloc(0)), frame(Buffer.from('two'))])) {
    splitter.push(Buffer.from([byte]), 1);
  }
  assert.deepEqual(seen, ['one', '', 'two']);
});

test('a negative or oversized frame is refused', () => {
  for (const hostile of [Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.from('HTTP/1.1 400')]) {
    const splitter = new FrameSplitter(1000, () => assert.fail('no frame is here'));
    assert.throws(() => splitter.push(hostile, hostile.length), refused);
  }
});
