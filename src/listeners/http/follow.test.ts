/**
 * Proves following over a real broker: nothing missed or repeated across the border of old and new, heartbeats on a clock
 * moved by hand, bounded memory with a reader that stops reading, and an end for every reason.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { HttpKit, until } from '../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';

const OPTIONS = { timeout: 60_000 } as const;

async function write(kit: HttpKit, from: number, count: number, topic = 't'): Promise<void> {
  const values = Array.from({ length: count }, (_, i) => ({ value: from + i }));
  assert.equal((await kit.post(`/v1/topics/${topic}/records`, values)).status, 200);
}

test('what was there, then what comes, each record once', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 0, 100);
  const reader = (await kit.follow('/v1/topics/t/records?follow=true')).start();
  assert.equal(reader.response.headers['content-type'], 'application/x-ndjson');
  assert.ok(reader.response.headers['millrace-request-id']);
  for (let i = 0; i < 50; i++) assert.equal((await reader.next()).offset, i);
  await write(kit, 100, 50);
  for (let i = 50; i < 150; i++) assert.deepEqual([(await reader.next()).offset], [i]);
  await until(() => kit.held()['parked'] === 1);
  assert.deepEqual(kit.held(), { readers: 1, inFlight: 1, bodies: 0, answers: 0, parked: 1 }, 'idle costs no memory');
  await write(kit, 150, 1);
  assert.equal((await reader.next()).value, '150');
  reader.close();
  await kit.idle();
});

test('positions and limits: last N then on, from an offset, until a count', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 0, 10);
  const tail = (await kit.follow('/v1/topics/t/records?follow=true&last=2&format=json')).start();
  assert.deepEqual([(await tail.next()).value, (await tail.next()).value], [8, 9]);
  const latest = (await kit.follow('/v1/topics/t/records?follow=true&offset=latest')).start();
  const counted = (await kit.follow('/v1/topics/t/records?follow=true&offset=9&limit=3')).start();
  assert.equal((await counted.next()).offset, 9);
  await write(kit, 10, 5);
  assert.equal((await latest.next()).offset, 10);
  assert.equal((await tail.next()).offset, 10);
  assert.deepEqual(
    [(await counted.next()).offset, (await counted.next()).offset, await counted.next()],
    [10, 11, undefined],
  );
  const first = (await kit.follow('/v1/topics/t/records?follow=true&first=1')).start();
  assert.deepEqual([(await first.next()).offset, await first.next()], [0, undefined]);
  tail.close();
  latest.close();
  await kit.idle();
});

test('all partitions, those added later too', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { heartbeatMs: 20 } });
  await kit.post('/v1/topics', { name: 't', partitions: 2 });
  const reader = (await kit.follow('/v1/topics/t/records?follow=true&partition=all')).start();
  const topic = kit.broker.topics.find('t');
  assert.ok(topic);
  await kit.broker.topics.addPartitions(topic, 3);
  for (const partition of [0, 1, 2])
    await kit.post(`/v1/topics/t/records?partition=${partition}`, { value: partition });
  const seen: number[] = [];
  while (seen.length < 3) {
    const line = await reader.next();
    if (line !== null) seen.push(line.partition);
  }
  assert.deepEqual(
    seen.toSorted((one, other) => one - other),
    [0, 1, 2],
  );
  reader.close();
});

test('an idle follow sends an empty line at each heartbeat', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  await write(kit, 0, 1);
  const reader = (await kit.follow('/v1/topics/t/records?follow=true')).start();
  assert.equal((await reader.next()).offset, 0);
  for (let beat = 0; beat < 3; beat++) {
    await until(() => kit.held()['parked'] === 1);
    clock.advance(15_000);
    assert.equal(await reader.next(), null);
  }
  await write(kit, 1, 1);
  assert.equal((await reader.next()).offset, 1);
  reader.close();
  await kit.idle();
});

test('a reader that stops reading holds one piece, and loses nothing when it goes on', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const total = 24;
  const value = 'x'.repeat(500_000);
  for (let i = 0; i < total; i++) await kit.post('/v1/topics/t/records', value, { type: 'text/plain' });
  const reader = await kit.follow('/v1/topics/t/records?follow=true');
  await until(() => (kit.held()['answers'] ?? 0) > 0);
  let rendered = -1;
  // The kernel takes what it can; then the count stands still.
  while (rendered !== kit.listener.counters.recordsRead) {
    rendered = kit.listener.counters.recordsRead;
    await sleep(100);
  }
  assert.ok(rendered < total, `${rendered} of ${total} records rendered for a reader that reads none`);
  assert.ok((kit.held()['answers'] ?? 0) < 600_000, 'one piece is held');
  await write(kit, 0, 1, 'other');
  reader.start();
  for (let i = 0; i < total; i++) assert.deepEqual([(await reader.next()).offset], [i]);
  reader.close();
  await kit.idle();
});

test('a reader that takes nothing for long is cut', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { stallTimeoutMs: 300 } });
  for (let i = 0; i < 24; i++) await kit.post('/v1/topics/t/records', 'x'.repeat(500_000), { type: 'text/plain' });
  const socket = net.connect(kit.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET /v1/topics/t/records?follow=true HTTP/1.1\r\nHost: h\r\n\r\n');
  await until(() => kit.held()['readers'] === 1);
  await kit.idle();
  socket.destroy();
});

test('the budget of all readers together is kept, and everyone is served in the end', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxAnswersBytes: 128 * 1024, followPieceBytes: 64 * 1024 } });
  for (let i = 0; i < 20; i++) await kit.post('/v1/topics/t/records', 'x'.repeat(20_000), { type: 'text/plain' });
  const readers = await Promise.all(
    Array.from({ length: 12 }, () => kit.follow('/v1/topics/t/records?follow=true&limit=20')),
  );
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, kit.held()['answers'] ?? 0);
  }, 1);
  for (const reader of readers) reader.start();
  for (const reader of readers) {
    for (let i = 0; i < 20; i++) assert.equal((await reader.next()).offset, i);
    assert.equal(await reader.next(), undefined);
  }
  clearInterval(watch);
  assert.ok(peak <= 256 * 1024, `held at once: ${peak}`);
  await kit.idle();
});

test('a deleted topic, a moved log start and a stop end the stream with a reason', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 0, 3);
  const deleted = (await kit.follow('/v1/topics/t/records?follow=true&offset=latest')).start();
  await until(() => kit.held()['parked'] === 1);
  await kit.call('DELETE', '/v1/topics/t');
  const line = await deleted.next();
  assert.deepEqual([line.error.code, line.error.status], ['BROKER_TOPIC_NOT_FOUND', 404]);
  assert.equal(await deleted.next(), undefined);
  await write(kit, 0, 3);
  const stopped = (await kit.follow('/v1/topics/t/records?follow=true')).start();
  for (let i = 0; i < 3; i++) await stopped.next();
  await until(() => kit.held()['parked'] === 1);
  await kit.listener.stop({ deadlineMs: 5_000 });
  assert.equal((await stopped.next()).error.code, 'HTTP_STOPPING');
  assert.equal(await stopped.next(), undefined);
  await kit.idle();
});

test('HEAD does not follow; follows count as readers', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxReaders: 1 } });
  await write(kit, 0, 1);
  assert.equal((await kit.call('HEAD', '/v1/topics/t/records?follow=true')).status, 400);
  const reader = await kit.follow('/v1/topics/t/records?follow=true');
  await kit.refused([503, 'HTTP_TOO_MANY_READERS'], 'GET', '/v1/topics/t/records?follow=true');
  reader.close();
  await kit.idle();
});

test('many readers that come and go at any moment leave nothing behind', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 0, 200);
  for (let round = 0; round < 8; round++) {
    const paths = ['follow=true', 'wait=5&offset=latest', 'follow=true&offset=latest', ''];
    const sockets = Array.from({ length: 24 }, (_, i) => {
      const socket = net.connect(kit.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(`GET /v1/topics/t/records?${paths[i % 4]} HTTP/1.1\r\nHost: h\r\n\r\n`);
      return socket;
    });
    const writing = write(kit, 0, 10);
    await sleep(round * 3);
    for (const [i, socket] of sockets.entries()) {
      if (i % 2 === 0) socket.resetAndDestroy();
      else socket.end();
    }
    await writing;
    for (const socket of sockets) socket.destroy();
  }
  await kit.idle();
});

/** Turns of the event loop in which whatever does not wait for the clock has come. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await setImmediate();
}

for (const [name, path] of [
  ['one topic', '/v1/topics/t/records?follow=true&offset=latest'],
  ['globs', '/v1/subscribe?match=*&follow=true&cursor=latest'],
] as const) {
  test(`${name}: a record after silence goes out at once, those behind it together`, OPTIONS, async () => {
    const clock = new ManualClock();
    await using kit = await HttpKit.start({ clock, http: { followPaceMs: 5, denseFollowPaceMs: 40 } });
    await kit.post('/v1/topics', { name: 't' });
    const reader = (await kit.follow(path)).start();
    const { counters } = kit.listener;
    const offsets = async (count: number): Promise<number[]> => {
      const seen: number[] = [];
      while (seen.length < count) seen.push((await reader.next()).offset);
      return seen;
    };
    const rendered = async (): Promise<number> => {
      await settle();
      return counters.recordsRendered;
    };
    await write(kit, 0, 1);
    assert.deepEqual(await offsets(1), [0], 'without any time');
    await write(kit, 1, 2);
    await write(kit, 3, 1);
    assert.equal(await rendered(), 1);
    clock.advance(4);
    assert.equal(await rendered(), 1);
    clock.advance(1);
    assert.deepEqual(await offsets(3), [1, 2, 3]);
    await write(kit, 4, 100);
    clock.advance(5);
    assert.equal((await offsets(100)).at(-1), 103);
    // Twenty a millisecond: the next piece is due in forty, and is not waited for.
    await write(kit, 104, 2);
    clock.advance(39);
    assert.equal(await rendered(), 104);
    clock.advance(1);
    assert.deepEqual(await offsets(2), [104, 105]);
    assert.equal(await rendered(), 106);
    // Two in forty were few.
    await write(kit, 106, 1);
    clock.advance(5);
    assert.deepEqual(await offsets(1), [106]);
    clock.advance(1_000);
    assert.equal(await rendered(), 107);
    await write(kit, 107, 1);
    assert.deepEqual(await offsets(1), [107], 'without any time again');
    reader.close();
    await kit.idle();
  });
}
