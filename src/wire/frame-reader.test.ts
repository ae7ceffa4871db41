/**
 * Proves: whatever way a stream of frames is cut, into whatever memory it is read, and however often the sink says "not
 * now", the frames come out whole, in order and once; sizes out of bounds are refused before anything is allocated; all
 * memory is given back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { BufferPool, type Lease } from '../base/buffer-pool.ts';
import { MillraceError } from '../base/errors.ts';
import { FrameReader, type FrameSink, type MemoryBudget } from './frame-reader.ts';

const MAX_FRAME_BYTES = 300_000;

class Budget implements MemoryBudget {
  frames = 0;
  rest = 0;
  limit = Number.POSITIVE_INFINITY;

  get taken(): number {
    return this.frames + this.rest;
  }

  takeFrame(bytes: number): boolean {
    if (this.frames > 0 && this.frames + bytes > this.limit) return false;
    this.frames += bytes;
    return true;
  }

  giveFrame(bytes: number): void {
    this.frames -= bytes;
  }

  takeRest(bytes: number): void {
    this.rest += bytes;
  }

  giveRest(bytes: number): void {
    this.rest -= bytes;
  }
}

/** Copies what it gets; refuses as the script says, then accepts. */
class Sink implements FrameSink {
  readonly frames: Buffer[] = [];
  readonly leases: (Lease | undefined)[] = [];
  refusals: boolean[] = [];

  frame(bytes: Buffer, start: number, end: number, lease: Lease | undefined): boolean {
    if (this.refusals.shift() === true) return false;
    this.frames.push(Buffer.from(bytes.subarray(start, end)));
    this.leases.push(lease);
    return true;
  }
}

function setUp(sink: FrameSink = new Sink(), slabBytes = 64 * 1024) {
  const budget = new Budget();
  const slab = Buffer.alloc(slabBytes);
  const reader = new FrameReader({ slab, pool: new BufferPool(0), budget, maxFrameBytes: MAX_FRAME_BYTES }, sink);
  return { reader, budget, slab };
}

function frameOf(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeInt32BE(body.length);
  frame.set(body, 4);
  return frame;
}

/** As a socket does: copies into the reader's place, at most `most` bytes. Returns how many. */
function readInto(reader: FrameReader, stream: Buffer, at: number, most: number): number {
  const place = reader.place();
  const length = Math.min(most, place.length, stream.length - at);
  stream.copy(place, 0, at, at + length);
  reader.received(place, length);
  return length;
}

const sizes = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.nat(400) },
    { weight: 2, arbitrary: fc.integer({ min: 32_000, max: 34_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 100_000, max: MAX_FRAME_BYTES }) },
  ),
  { maxLength: 8 },
);

test('any cut of any frames, with refusals: whole, in order, once, and nothing stays taken', {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(
      sizes,
      fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })), { minLength: 1 }),
      fc.array(fc.boolean()),
      fc.boolean(),
      fc.option(fc.constant(200_000), { nil: Number.POSITIVE_INFINITY }),
      (frameSizes, cuts, refusals, foreign, limit) => {
        const bodies = frameSizes.map((size, index) => Buffer.alloc(size, index + 1));
        const stream = Buffer.concat(bodies.map(frameOf));
        const sink = new Sink();
        sink.refusals = [...refusals];
        const { reader, budget } = setUp(sink);
        budget.limit = limit;
        for (let at = 0, step = 0; at < stream.length; step++) {
          const most = cuts[step % cuts.length] as number;
          if (foreign) {
            const piece = Buffer.from(stream.subarray(at, at + most));
            reader.received(piece, piece.length);
            at += piece.length;
          } else at += readInto(reader, stream, at, most);
          if (reader.holding && step % 3 === 0) reader.resume();
        }
        for (let i = 0; reader.holding && i < 1000; i++) reader.resume();
        assert.equal(sink.frames.length, bodies.length);
        for (const [index, body] of bodies.entries())
          assert.ok(body.equals(sink.frames[index] as Buffer), `frame ${index}`);
        assert.equal(reader.midFrame, false);
        reader.close();
        assert.equal(budget.taken, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test('byte by byte', () => {
  const sink = new Sink();
  const { reader } = setUp(sink);
  const bodies = [Buffer.from('first'), Buffer.alloc(0), Buffer.from('third')];
  for (const byte of Buffer.concat(bodies.map(frameOf))) reader.received(Buffer.from([byte]), 1);
  assert.deepEqual(sink.frames, bodies);
});

test('the rest of a large frame lands in its own buffer, without a copy', () => {
  const sink = new Sink();
  const { reader, slab, budget } = setUp(sink);
  const stream = frameOf(Buffer.alloc(200_000, 7));
  const first = readInto(reader, stream, 0, slab.length);
  const place = reader.place();
  assert.equal(place.length, stream.length - first, 'exactly what is missing');
  assert.notEqual(place.buffer, slab.buffer);
  assert.equal(budget.taken, 200_000);
  assert.equal(reader.midFrame, true);
  stream.copy(place, 0, first);
  reader.received(place, place.length);
  assert.ok(sink.frames[0]?.equals(stream.subarray(4)));
  assert.notEqual(sink.leases[0], undefined);
  assert.equal(sink.leases[0]?.holders, 0, 'nobody retained it, so it went back');
  assert.equal(budget.taken, 0);
});

test('whoever retains the lease of a frame keeps its bytes', () => {
  let kept: Lease | undefined;
  const { reader } = setUp({
    frame(_bytes, _start, _end, lease) {
      kept = lease?.retain();
      return true;
    },
  });
  const stream = frameOf(Buffer.alloc(100_000, 5));
  for (let at = 0; at < stream.length; ) at += readInto(reader, stream, at, 50_000);
  assert.equal(kept?.holders, 1);
  assert.ok(
    Buffer.from(kept?.bytes ?? [])
      .subarray(0, 100_000)
      .equals(stream.subarray(4)),
  );
});

test('a large frame waits for room, what follows is kept, and nothing is lost', () => {
  const sink = new Sink();
  const { reader, budget } = setUp(sink);
  budget.limit = 1000;
  budget.frames = 900;
  const large = Buffer.alloc(150_000, 1);
  const stream = Buffer.concat([frameOf(large), frameOf(Buffer.from('next'))]);
  const at = readInto(reader, stream, 0, 1000);
  assert.deepEqual([reader.starved, reader.holding, reader.midFrame, reader.heldBytes], [true, true, false, at]);
  budget.limit = 1_000_000;
  reader.resume();
  assert.equal(reader.starved, false);
  for (let next = at; next < stream.length; ) next += readInto(reader, stream, next, 64_000);
  assert.deepEqual(
    sink.frames.map((frame) => frame.length),
    [150_000, 4],
  );
});

test('sizes out of bounds are refused with what they probably are', () => {
  const refusals: [string, Buffer, string, RegExp][] = [
    ['negative', Buffer.from([0xff, 0xff, 0xff, 0xff]), 'WIRE_MALFORMED', /negative size -1/],
    ['above the limit', Buffer.from([0, 4, 0x93, 0xe1]), 'WIRE_FRAME_TOO_LARGE', /300001 bytes; at most 300000/],
    ['TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), 'WIRE_FRAME_TOO_LARGE', /TLS hello/],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'WIRE_FRAME_TOO_LARGE', /HTTP/],
  ];
  for (const [name, bytes, code, message] of refusals) {
    for (const split of [false, true]) {
      const { reader, budget } = setUp();
      const feed = (): void => {
        if (!split) reader.received(bytes, bytes.length);
        else for (const byte of bytes) reader.received(Buffer.from([byte]), 1);
      };
      assert.throws(
        feed,
        (error) => error instanceof MillraceError && error.code === code && message.test(error.message),
        `${name}, split ${split}`,
      );
      reader.close();
      assert.equal(budget.taken, 0);
    }
  }
});

test('the largest frame allowed is taken', () => {
  const sink = new Sink();
  const { reader } = setUp(sink);
  const stream = frameOf(Buffer.alloc(MAX_FRAME_BYTES));
  for (let at = 0; at < stream.length; ) at += readInto(reader, stream, at, stream.length);
  assert.equal(sink.frames[0]?.length, MAX_FRAME_BYTES);
});
