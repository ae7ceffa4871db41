/**
 * Proves that a body that was received in several parts is the one that was sent, whatever the pieces, and that its memory is
 * charged as it is taken and given back.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { HttpKit, until } from '../../../test/kit/http-kit.ts';
import * as fc from '../../../test/kit/properties.ts';
import { BufferPool } from '../../base/buffer-pool.ts';
import { BodyParts } from './body-parts.ts';

const OPTIONS = { timeout: 60_000 } as const;
const TYPE = 'application/octet-stream';

test('what is taken is what was put in, and each lease is given back once', () => {
  const part = fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }), pooled: fc.boolean() });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 30 })), (parts, counts) => {
      const pool = new BufferPool(0);
      const leases = [];
      const body = new BodyParts();
      for (const { bytes, pooled } of parts) {
        if (!pooled) body.add(Buffer.from(bytes));
        else {
          const lease = pool.acquire(bytes.length).retain();
          leases.push(lease);
          body.addRoom(lease, bytes.length).set(bytes);
        }
      }
      const sent = Buffer.concat(parts.map(({ bytes }) => bytes));
      assert.equal(body.sizeBytes, sent.length);
      let at = 0;
      for (const count of counts) {
        assert.deepEqual(Buffer.concat(body.take(count)), sent.subarray(at, at + count));
        at = Math.min(sent.length, at + count);
        body.passed();
      }
      body.release();
      body.release();
      assert.ok(leases.every(({ holders }) => holders === 1));
    }),
  );
});

test('what came before is the beginning of a part, and a part can be taken with its memory', () => {
  const pool = new BufferPool(0);
  const body = new BodyParts();
  for (const byte of [1, 2]) body.add(Buffer.of(byte));
  const lease = pool.acquire(9);
  body.gather(lease, 4, 3).set([3, 4]);
  const second = pool.acquire(9);
  body.addRoom(second, 2, 1).set([5, 6]);
  assert.deepEqual([body.sizeBytes, body.takePart(3)], [6, undefined]);
  const part = body.takePart(4);
  assert.deepEqual([...(part?.bytes ?? [])], [1, 2, 3, 4]);
  assert.equal(part?.lease, lease);
  assert.deepEqual([...lease.bytes.subarray(3, 7)], [1, 2, 3, 4]);
  assert.deepEqual(Buffer.concat(body.take(1)), Buffer.of(5));
  assert.equal(body.takePart(1), undefined, 'half of a part');
  body.release();
  assert.deepEqual([lease.holders, second.holders], [1, 0]);
});

test('side by side they are one, as often as it is asked', () => {
  const pool = new BufferPool(0);
  const body = new BodyParts();
  const lease = pool.acquire(3).retain();
  body.addRoom(lease, 3).set([1, 2, 3]);
  assert.equal(body.lease, lease);
  body.add(Buffer.of(4));
  assert.equal(body.lease, undefined);
  for (let i = 0; i < 2; i++) assert.deepEqual([...body.whole()], [1, 2, 3, 4]);
  assert.deepEqual([lease.holders, body.sizeBytes], [1, 4]);
  assert.deepEqual(Buffer.concat(body.take(9)), Buffer.of(1, 2, 3, 4));
});

test('a large append arrives as it was sent, whatever the pieces, and in as many records', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxStreamBodyBytes: 8_000_000 } });
  // Batches of another size than bodies are laid out for.
  await kit.post('/v1/topics', { name: 'other', config: { 'max.message.bytes': '300000' } });
  await appendLarge(kit, 's', 4);
  await appendLarge(kit, 'other', 12);
});

async function appendLarge(kit: HttpKit, name: string, records: number): Promise<void> {
  assert.equal((await kit.call('PUT', `/v1/stream/${name}`, { type: TYPE })).status, 201);
  const sent = Buffer.from(Array.from({ length: 3_300_001 }, (_, i) => (i * 31 + (i >> 10)) & 0xff));
  const head = `POST /v1/stream/${name} HTTP/1.1\r\nHost: h\r\nContent-Type: ${TYPE}\r\nContent-Length: ${sent.length}\r\n\r\n`;
  for (const [i, first] of [1, 40_000, 200_000, sent.length].entries()) {
    const socket = net.connect(kit.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(head);
    socket.write(sent.subarray(0, first));
    await until(() => (kit.held()['bodies'] ?? 0) > 0);
    socket.write(sent.subarray(first));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 204 /);
    assert.equal(Number(/stream-next-offset: (\d+)/.exec(answer.toString())?.[1]), (i + 1) * records);
    socket.destroy();
  }
  await kit.idle();
  const got: Buffer[] = [];
  for (let offset = '-1'; ; ) {
    const answer = await fetch(`http://127.0.0.1:${kit.port}/v1/stream/${name}?offset=${offset}`);
    got.push(Buffer.from(await answer.arrayBuffer()));
    offset = answer.headers.get('stream-next-offset') ?? '';
    if (answer.headers.get('stream-up-to-date') === 'true') break;
  }
  assert.ok(Buffer.concat(got).equals(Buffer.concat([sent, sent, sent, sent])));
}

test('who declares a large append and sends little holds little, and gives it back', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxStreamBodyBytes: 32_000_000 } });
  await kit.call('PUT', '/v1/stream/s', { type: TYPE });
  const head = `POST /v1/stream/s HTTP/1.1\r\nHost: h\r\nContent-Type: ${TYPE}\r\nContent-Length: 30000000\r\n\r\n`;
  for (const [sent, most] of [
    [1, 1],
    [20_000, 20_000],
    [100_000, 100_000],
    [200_000, 8 * 200_000],
  ] as const) {
    const socket = net.connect(kit.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(head);
    socket.write(Buffer.alloc(sent));
    await until(() => (kit.held()['bodies'] ?? 0) >= sent);
    assert.ok((kit.held()['bodies'] ?? 0) <= most, `${kit.held()['bodies']} for ${sent}`);
    socket.destroy();
    await kit.idle();
    assert.equal(kit.held()['bodies'], 0);
  }
});
