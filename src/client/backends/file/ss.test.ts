/**
 * Proves the `.ss` format: published check values, bytes against a decoder written from the format's description alone (at
 * the end of this file, sharing no code), cut and damaged files, append, and any split of the input.
 *
 * That files of SeaStreamer itself are read was checked by hand with those in its repository (see docs/sdk.md, "Files").
 */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as fc from '../../../../test/kit/properties.ts';
import { TempDirectory } from '../../../../test/kit/temp-directory.ts';
import { connect, raw, string } from '../../../sdk/index.ts';
import { encodeUtf8 } from '../../utf8.ts';
import { CRC16_TABLES, crc16, crc16ByTables, crc16InWindow, crc16OfChecksum } from './crc16.ts';
import { loadSimdCrc16 } from './crc16-simd.ts';
import { SsDecoder, type SsItem } from './ss-decoder.ts';
import { SsEncoder, type SsOutgoing } from './ss-encoder.ts';
import { beaconItemLimit, decodeSsHeader, encodeSsHeader, SS_HEADER_BYTES } from './ss-format.ts';
import { repairSs, verifySs } from './ss-verify.ts';

const INTERVAL = 1024;
const HEADER = { fileName: 'test.ss', createdAt: 1_700_000_000_000, beaconInterval: INTERVAL };

function message(sequence: number, payload: Uint8Array, key = 'a', shard = 0): SsOutgoing {
  return { key, shard, sequence: BigInt(sequence), timestamp: 1_700_000_000_000 + sequence, payload };
}

function fileOf(messages: readonly SsOutgoing[], interval = INTERVAL): Buffer {
  const encoder = new SsEncoder(interval, SS_HEADER_BYTES);
  for (const each of messages) encoder.add(each);
  return Buffer.concat([encodeSsHeader({ ...HEADER, beaconInterval: interval }), encoder.take()]);
}

function decodeAll(bytes: Uint8Array, pieces: readonly number[] = []): SsItem[] {
  const decoder = new SsDecoder(decodeSsHeader(bytes).beaconInterval, SS_HEADER_BYTES);
  const items: SsItem[] = [];
  let at = SS_HEADER_BYTES;
  for (const length of [...pieces, Number.POSITIVE_INFINITY]) {
    decoder.push(Uint8Array.from(bytes.subarray(at, at + length)));
    at = Math.min(bytes.length, at + length);
    for (let item = decoder.next(); item !== undefined; item = decoder.next()) items.push(item);
  }
  return items;
}

const messages = fc
  .array(
    fc.record({
      key: fc.constantFrom('a', 'b.c', 'long-'.repeat(20)),
      shard: fc.nat({ max: 2 }),
      payload: fc.uint8Array({ maxLength: 3000 }),
    }),
    { maxLength: 25 },
  )
  .map((list) => list.map(({ key, shard, payload }, index) => message(index + 1, payload, key, shard)));

test('CRC-16/CDMA2000: published check value, and in pieces', () => {
  assert.equal(crc16(encodeUtf8('123456789')), 0x4c06);
  // The second value stands in SeaStreamer's own tests.
  assert.equal(crc16(encodeUtf8('123456789abcd')), 0xa106);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 100 }), (bytes, cut) => {
      assert.equal(crc16(bytes), slowCrc(bytes));
      assert.equal(
        crc16(bytes, crc16(bytes, undefined, 0, Math.min(cut, bytes.length)), Math.min(cut, bytes.length)),
        crc16(bytes),
      );
    }),
  );
});

test('CRC-16 with vector instructions: as bit by bit, of any length, seed and place', () => {
  const around = Uint8Array.from({ length: 150_000 }, (_, i) => (i * 167 + (i >>> 7)) & 255);
  const length = fc.oneof(fc.nat({ max: 400 }), fc.integer({ min: 65_400, max: 65_700 }));
  const forms = [loadSimdCrc16(CRC16_TABLES, ['relaxed']), loadSimdCrc16(CRC16_TABLES, ['exact'])];
  fc.assert(
    fc.property(length, fc.integer({ min: 0, max: 0xffff }), fc.nat({ max: 1000 }), (bytes, seed, start) => {
      const end = start + bytes;
      const expected = slowCrc(around.subarray(start, end), seed);
      for (const simd of forms) {
        assert.ok(simd !== undefined, 'this runtime has both forms, so both are tested here');
        simd.input.set(around.subarray(0, end));
        assert.equal(simd.crc(start, end, seed), expected);
      }
      assert.equal(crc16(around, seed, start, end), expected);
      assert.equal(crc16ByTables(around, seed, start, end), expected);
    }),
    { numRuns: 60 },
  );
});

test('CRC-16 of pieces in a window, whatever else is asked meanwhile, and of checksums', () => {
  const [one, other] = [1, 2].map((factor) => Uint8Array.from({ length: 300_000 }, (_, i) => (i * factor) & 255));
  const piece = fc.tuple(
    fc.boolean(),
    fc.nat({ max: 150_000 }),
    fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 140_000 })),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.nat({ max: 0xffff }), (pieces, seed) => {
      for (const [which, start, length] of pieces) {
        const bytes = (which ? one : other) as Uint8Array;
        const expected = slowCrc(bytes.subarray(start, start + length));
        assert.equal(crc16InWindow(bytes, start, start + length), expected);
        assert.equal(crc16(bytes, undefined, start, start + length), expected);
        assert.equal(crc16OfChecksum(expected, seed), slowCrc(Uint8Array.of(expected >>> 8, expected & 255), seed));
      }
    }),
    { numRuns: 40 },
  );
});

test('the worked example of the format', () => {
  const bytes = fileOf([message(1, encodeUtf8('hi'))]).subarray(SS_HEADER_BYTES);
  const checksum = slowCrc(encodeUtf8('hi')).toString(16).padStart(4, '0');
  assert.equal(bytes.toString('hex'), `0161000000000000000000000000000000010000018bcfe56801000000026869${checksum}0d`);
});

test('as many items in a beacon as SeaStreamer puts there', () => {
  assert.deepEqual([640, 1024, 1024 * 1024].map(beaconItemLimit), [1, 1, 127]);
});

test('property: an independent decoder finds what was written, beacons where they belong', () => {
  fc.assert(
    fc.property(messages, fc.constantFrom(1024, 2048, 4096), (list, interval) => {
      const bytes = fileOf(list, interval);
      const found = independentDecode(bytes);
      assert.deepEqual(
        found.messages.map(({ key, shard, sequence, timestamp, payload }) => ({
          key,
          shard,
          sequence,
          timestamp,
          payload: Uint8Array.from(payload),
        })),
        list.map((each) => ({ ...each, payload: Uint8Array.from(each.payload) })),
      );
      assert.deepEqual(found.header, { ...HEADER, beaconInterval: interval });
    }),
    { numRuns: 60 },
  );
});

test('property: read in pieces of any size, the same comes out, at the same places', () => {
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 60 }), (list, pieces) => {
      const bytes = fileOf(list);
      const whole = decodeAll(bytes);
      assert.deepEqual(decodeAll(bytes, pieces), whole);
      const read = whole.flatMap((item) => (item.type === 'message' ? [item] : []));
      assert.deepEqual(
        read.map((item) => Buffer.from(item.message.payload)),
        list.map(({ payload }) => Buffer.from(payload)),
      );
      for (const item of whole) assert.ok(item.offset < item.endOffset && item.endOffset <= bytes.length);
    }),
    { numRuns: 60 },
  );
});

test('property: hostile bytes end in an error or in nothing, never in a hang or in memory', () => {
  fc.assert(
    fc.property(
      messages,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
      (list, changes) => {
        const bytes = fileOf(list);
        for (const [at, value] of changes)
          bytes[SS_HEADER_BYTES + (at % Math.max(bytes.length - SS_HEADER_BYTES, 1))] = value;
        try {
          decodeAll(bytes);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'CLIENT_FILE_CORRUPT');
          assert.match((error as Error).message, /byte \d+/);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('anything but a header is refused by name', () => {
  const header = encodeSsHeader(HEADER);
  const broken = (at: number, value: number): Uint8Array => Uint8Array.from(header).fill(value, at, at + 1);
  for (const bytes of [
    header.subarray(0, 100),
    broken(0, 1),
    broken(1, 1),
    broken(2, 2),
    broken(3, 200),
    broken(4 + 7 + 8 + 3, 1),
    broken(4, 0xff),
  ])
    assert.throws(() => decodeSsHeader(bytes), { code: 'CLIENT_FILE_FORMAT' });
  assert.throws(() => encodeSsHeader({ ...HEADER, beaconInterval: 1000 }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => encodeSsHeader({ ...HEADER, fileName: 'x'.repeat(112) }), { code: 'CLIENT_OPTION_INVALID' });
});

test('property: verify names a damaged place, and repair keeps everything before and after', async () => {
  using directory = new TempDirectory();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 6, maxLength: 30 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (payloads, at, xor) => {
        const list = payloads.map((payload, index) => message(index + 1, payload));
        const bytes = fileOf(list);
        const offset = SS_HEADER_BYTES + (at % (bytes.length - SS_HEADER_BYTES));
        const hit = decodeAll(bytes).filter((item) => item.offset <= offset && offset < item.endOffset);
        bytes[offset] = (bytes[offset] as number) ^ xor;
        const file = path.join(directory.path, `damaged-${runs++}.ss`);
        writeFileSync(file, bytes);
        const report = await verifySs(file);
        await repairSs(file, `${file}.repaired`);
        const kept = independentDecode(readFileSync(`${file}.repaired`)).messages.map(({ sequence }) => sequence);
        // Shard, sequence and timestamp are under no checksum in this format: damage there may go unseen.
        if (kept.length === list.length) return;
        const lost = list.filter(({ sequence }) => !kept.includes(sequence));
        const near = new Set(hit.flatMap((item) => (item.type === 'message' ? [item.message.sequence] : [])));
        for (const { sequence } of lost)
          assert.ok(
            near.has(sequence) || hit.some((item) => item.type === 'beacon'),
            `only what was hit is lost, not ${sequence}`,
          );
        assert.ok(lost.length <= 2);
        if (lost.length > 0)
          assert.ok(report.damages.length > 0 || report.cutOffset !== undefined, 'what is lost is reported');
        for (const damage of report.damages) assert.ok(damage.offset <= offset && damage.endOffset <= bytes.length);
      },
    ),
    { numRuns: 40 },
  );
});

test('a cut file: verify says where, readers stop there, the next writer goes on from there', {
  timeout: 60_000,
}, async () => {
  using directory = new TempDirectory();
  const list = Array.from({ length: 12 }, (_, i) => message(i + 1, Buffer.alloc(200, i)));
  const bytes = fileOf(list);
  for (let cut = SS_HEADER_BYTES; cut < bytes.length; cut += 37) {
    const file = path.join(directory.path, `cut-${cut}.ss`);
    writeFileSync(file, bytes.subarray(0, cut));
    const whole = decodeAll(bytes.subarray(0, cut)).filter((item) => item.type === 'message').length;
    const report = await verifySs(file);
    assert.equal(report.messageCount, whole);
    await using client = await connect(`file://${file}/a`);
    await using producer = await client.producer({ value: raw() });
    const receipt = await producer.send({ value: Buffer.from('after') });
    assert.equal(receipt.offset, BigInt(whole + 1), `sequences go on, cut at ${cut}`);
    await client.close();
    const found = independentDecode(readFileSync(file)).messages;
    assert.deepEqual(
      found.map(({ sequence }) => sequence),
      Array.from({ length: whole + 1 }, (_, i) => BigInt(i + 1)),
    );
    assert.deepEqual([...(await verifySs(file)).checksumNotes], [], 'running checksums go on too');
  }
});

test('an end-of-stream mark ends readers, and the next writer overwrites it', { timeout: 60_000 }, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'eos.ss');
  const write = async (value: string): Promise<void> => {
    await using client = await connect(`file://${file}/a?eos=true`);
    await using producer = await client.producer({ value: string() });
    await producer.send({ value });
  };
  await write('one');
  assert.equal((await verifySs(file)).endOfStream, true);
  const sizeOfMark = 56;
  assert.equal(readFileSync(file).length, SS_HEADER_BYTES + 29 + 1 + 3 + 3 + sizeOfMark);
  await using client = await connect(`file://${file}/a?create=never`);
  await using live = await client.consumer({ from: 'earliest', value: string() });
  const seen: string[] = [];
  for await (const { value } of live) seen.push(value);
  assert.deepEqual(seen, ['one'], 'a live reader ends at the mark');
  await write('two');
  assert.deepEqual(
    independentDecode(readFileSync(file)).messages.map(({ payload }) => payload.toString()),
    ['one', 'two', 'EOS'],
  );
});

test('options: create, limits, stream keys', { timeout: 60_000 }, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'options.ss');
  const send = async (options: string, topic = 'a', value = 'x'): Promise<void> => {
    await using client = await connect(`file://${file}/${topic}?${options}`);
    await using producer = await client.producer({ value: string() });
    await producer.send({ value });
  };
  await assert.rejects(send('create=never'), { code: 'CLIENT_TOPIC_NOT_FOUND' });
  await send('create=only');
  await assert.rejects(send('create=only'), { code: 'CLIENT_OPTION_INVALID' });
  await assert.rejects(send('max-bytes=1024', 'a', 'x'.repeat(2000)), { code: 'CLIENT_FILE_FULL' });
  await assert.rejects(send('', 'not%20a%20key'), { code: 'CLIENT_OPTION_INVALID' });
  await assert.rejects(send('beacon-interval=1000'), { code: 'CLIENT_URI_INVALID' });
  await send('beacon-interval=2048');
  const report = await verifySs(file);
  assert.deepEqual(
    [report.messageCount, report.header.beaconInterval],
    [2, 1024 * 1024],
    'a file keeps its own interval',
  );
});

test('a damaged file is read up to the damage, and refused for append', { timeout: 60_000 }, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'damaged.ss');
  const bytes = fileOf(Array.from({ length: 3 }, (_, i) => message(i + 1, Buffer.from(`payload ${i}`))));
  const at = bytes.indexOf('payload 1');
  bytes[at] = 0;
  writeFileSync(file, bytes);
  await using client = await connect(`file://${file}/a`);
  await using consumer = await client.consumer({ from: 'earliest', value: string() });
  assert.equal((await consumer.next())?.value, 'payload 0');
  await assert.rejects(consumer.next(), { code: 'CLIENT_FILE_CORRUPT', kind: 'data-corrupt', message: /byte \d+/ });
  await assert.rejects(client.producer({ value: string() }), { code: 'CLIENT_FILE_CORRUPT' });
});

test('a live reader follows what another process appends, in pieces too', { timeout: 60_000 }, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'live.ss');
  const bytes = fileOf(Array.from({ length: 20 }, (_, i) => message(i + 1, Buffer.from(`payload ${i} `.repeat(20)))));
  await using client = await connect(`file://${file}/a`);
  await using consumer = await client.consumer({ from: 'earliest', value: string() });
  const reading = (async () => {
    for (let i = 0; i < 20; i++) assert.equal((await consumer.next())?.value, `payload ${i} `.repeat(20));
  })();
  writeFileSync(file, '');
  for (let at = 0; at < bytes.length; at += 333) {
    appendFileSync(file, bytes.subarray(at, at + 333));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await reading;
});

test('a reader survives the cut of a half written message by the next writer', { timeout: 60_000 }, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'torn.ss');
  const bytes = fileOf([message(1, Buffer.from('whole')), message(2, Buffer.alloc(300, 7))]);
  writeFileSync(file, bytes.subarray(0, bytes.length - 100));
  await using client = await connect(`file://${file}/a`);
  await using consumer = await client.consumer({ from: 'earliest', value: string() });
  assert.equal((await consumer.next())?.value, 'whole');
  const next = consumer.next();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await using producer = await client.producer({ value: string() });
  await producer.sendAll([{ value: 'second' }, { value: 'x'.repeat(500) }]);
  assert.equal((await next)?.value, 'second');
  truncateSync(file, 200);
  await assert.rejects(
    async () => {
      for (;;) await consumer.next({ signal: AbortSignal.timeout(5000) });
    },
    { code: 'CLIENT_FILE_IO' },
  );
});

// ---- An independent decoder: from docs of the format, byte table by byte table; it shares nothing with the code above. ----

interface Independent {
  readonly header: { fileName: string; createdAt: number; beaconInterval: number };
  readonly messages: { key: string; shard: number; sequence: bigint; timestamp: number; payload: Buffer }[];
}

function slowCrc(bytes: Uint8Array, seed = 0xffff): number {
  let register = seed;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = ((register >> 15) & 1) ^ ((byte >> bit) & 1);
      register = (register << 1) & 0xffff;
      if (carry === 1) register ^= 0xc867;
    }
  }
  return register;
}

function independentDecode(bytes: Buffer): Independent {
  assert.deepEqual([...bytes.subarray(0, 3)], [0x53, 0x73, 1]);
  const nameLength = bytes.readUInt8(3);
  const header = {
    fileName: bytes.toString('utf8', 4, 4 + nameLength),
    createdAt: Number(bytes.readBigUInt64BE(4 + nameLength)),
    beaconInterval: bytes.readUInt32BE(12 + nameLength),
  };
  assert.ok(bytes.subarray(16 + nameLength, 127).every((byte) => byte === 0));
  assert.equal(bytes[127], 0x0d);
  const highest = new Map<string, bigint>();
  const beacons: { at: number; remaining: number; items: { name: string; sequence: bigint }[] }[] = [];
  // One byte at a time: whatever stands at a multiple of the interval is a beacon.
  let at = 128;
  const cutBeacons = (): void => {
    while (at % header.beaconInterval === 0 && at < bytes.length) {
      const start = at;
      assert.equal(bytes[at], 0x0d, `beacon at ${at}`);
      const remaining = bytes.readUInt32BE(at + 1);
      const count = bytes.readUInt8(at + 5);
      at += 6;
      const items: { name: string; sequence: bigint }[] = [];
      for (let i = 0; i < count; i++) {
        const length = bytes.readUInt8(at);
        const name = `${bytes.toString('latin1', at + 1, at + 1 + length)}/${bytes.readBigUInt64BE(at + 1 + length)}`;
        items.push({ name, sequence: bytes.readBigUInt64BE(at + 9 + length) });
        at += 1 + length + 8 + 8 + 8 + 2;
      }
      assert.equal(bytes[at], 0x0d, `end of the beacon at ${start}`);
      at += 1;
      beacons.push({ at: start, remaining, items });
    }
  };
  const take = (count: number): Buffer => {
    const taken: number[] = [];
    while (taken.length < count) {
      cutBeacons();
      const last = beacons.at(-1);
      if (last !== undefined && taken.length > 0 && count > 3 && last.at + header.beaconInterval > at)
        assert.ok(last.remaining >= 0);
      assert.ok(at < bytes.length, 'the file ends within a message');
      taken.push(bytes[at++] as number);
    }
    return Buffer.from(taken);
  };
  const found: Independent['messages'] = [];
  for (;;) {
    cutBeacons();
    if (at >= bytes.length) break;
    const key = take(take(1).readUInt8()).toString('latin1');
    const numbers = take(24);
    const payload = take(take(4).readUInt32BE());
    assert.equal(take(2).readUInt16BE(), slowCrc(payload), 'checksum');
    assert.equal(take(1)[0], 0x0d);
    const [shard, sequence] = [Number(numbers.readBigUInt64BE(0)), numbers.readBigUInt64BE(8)];
    const name = `${key}/${shard}`;
    highest.set(name, sequence);
    // Beacons met so far may not be ahead of the messages.
    for (const item of beacons.splice(0).flatMap(({ items }) => items))
      assert.ok(item.sequence <= (highest.get(item.name) ?? 0n), item.name);
    found.push({ key, shard, sequence, timestamp: Number(numbers.readBigUInt64BE(16)), payload });
  }
  return { header, messages: found };
}
