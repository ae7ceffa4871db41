/**
 * Proves that followers at one place share what is rendered, and still each get every record once, in order: many at once,
 * some slow, some late, of several forms, over deletions and aborted transactions; and that what is kept is bounded.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpKit, type LineReader } from '../../../test/kit/http-kit.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { SharedPieces } from './shared-pieces.ts';

const OPTIONS = { timeout: 60_000 } as const;
const RECORDS = '/v1/topics/t/records';
const EVENTS = { accept: 'text/event-stream' };

async function events(reader: LineReader, count: number): Promise<[string, string][]> {
  const found: [string, string][] = [];
  while (found.length < count) {
    const event = await reader.event();
    if (event === undefined) break;
    if (event.data !== undefined) found.push([event.id ?? '', (JSON.parse(event.data) as { value: string }).value]);
  }
  return found;
}

test('two hundred followers: each record is rendered once for all of them', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't' });
  const readers = await Promise.all(Array.from({ length: 200 }, () => kit.follow(`${RECORDS}?follow=true`, EVENTS)));
  for (const reader of readers) reader.start();
  const received = readers.map((reader) => events(reader, 30));
  const expected: [string, string][] = [];
  for (let i = 0; i < 30; i++) {
    expected.push([`0:${i + 1}`, String(i)]);
    await kit.post(RECORDS, { value: i });
  }
  for (const each of await Promise.all(received)) assert.deepEqual(each, expected);
  const { recordsRead, recordsRendered } = kit.listener.counters;
  assert.equal(recordsRead, 200 * 30);
  // Twice where a follower was at a place that others had passed long before; not two hundred times.
  assert.ok(recordsRendered < 3 * 30, `${recordsRendered} rendered`);
  for (const reader of readers) reader.close();
  await kit.idle();
});

test(
  'forms are kept apart; late and early ones meet; limits and several partitions are their own',
  OPTIONS,
  async () => {
    await using kit = await HttpKit.start();
    await kit.post(RECORDS, [{ value: 'a' }, { value: 'b' }]);
    const open = async (query: string, headers = {}) =>
      (await kit.follow(`${RECORDS}?follow=true${query}`, headers)).start();
    const text = [await open(''), await open('')];
    const json = [await open('&format=json'), await open('&format=json')];
    const limited = await open('&limit=3');
    await kit.post(RECORDS, { value: 'c' });
    for (const reader of text) assert.deepEqual(await values(reader, 3), ['"a"', '"b"', '"c"']);
    for (const reader of json) assert.deepEqual(await values(reader, 3), ['a', 'b', 'c']);
    assert.deepEqual(await values(limited, 3), ['"a"', '"b"', '"c"']);
    assert.equal(await limited.next(), undefined, 'its stream ends there');
    const late = await open('&offset=1');
    assert.deepEqual(await values(late, 2), ['"b"', '"c"']);
    for (const reader of [...text, ...json, limited, late]) reader.close();
    await kit.idle();
  },
);

async function values(reader: LineReader, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const record = await reader.next();
    if (record !== null) found.push(record.value);
  }
  return found;
}

test('what was deleted is not given out from memory; aborted records never are', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post(RECORDS, [{ value: 'a' }, { value: 'b' }]);
  const first = (await kit.follow(`${RECORDS}?follow=true`)).start();
  assert.deepEqual(await values(first, 2), ['"a"', '"b"']);
  await kit.call('DELETE', `${RECORDS}?before=1`);
  const refused = (await kit.follow(`${RECORDS}?follow=true&offset=0`)).start();
  assert.equal((await refused.next()).error.code, 'STORE_OFFSET_OUT_OF_RANGE');
  const writer = await TransactionalWriter.start(kit.broker, 'id');
  await writer.write('t', 0, 'never');
  await writer.end(false);
  await kit.post(RECORDS, { value: 'c' });
  assert.deepEqual(await values(first, 1), ['"c"']);
  const second = (await kit.follow(`${RECORDS}?follow=true&offset=2`)).start();
  assert.deepEqual(await values(second, 1), ['"c"']);
  for (const reader of [first, refused, second]) reader.close();
  await kit.idle();
});

test('a topic that gets partitions is followed on', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't' });
  const readers = [
    (await kit.follow(`${RECORDS}?follow=true&partition=all`)).start(),
    (await kit.follow(`${RECORDS}?follow=true&partition=all`)).start(),
  ];
  await kit.post(RECORDS, { value: 'a' });
  for (const reader of readers) assert.deepEqual(await values(reader, 1), ['"a"']);
  const topic = kit.broker.topics.find('t');
  assert.ok(topic !== undefined);
  await kit.broker.topics.addPartitions(topic, 2);
  await kit.post(`${RECORDS}?partition=0`, { value: 'b' });
  for (const reader of readers) assert.deepEqual(await values(reader, 1), ['"b"']);
  await kit.post(`${RECORDS}?partition=1`, { value: 'c' });
  for (const reader of readers) assert.deepEqual(await values(reader, 1), ['"c"']);
  for (const reader of readers) reader.close();
  await kit.idle();
});

test('pieces: made once, kept within bounds, and the faults of one are not those of others', async () => {
  const pieces = new SharedPieces();
  let made = 0;
  const make = (size: number) => async () => {
    made += 1;
    await Promise.resolve();
    return { bytes: Buffer.alloc(size), recordCount: 1, nextOffset: 1 };
  };
  const all = await Promise.all(Array.from({ length: 50 }, () => pieces.take('a', make(10))));
  assert.deepEqual([made, all.filter((taken) => taken?.isOwn === true).length, pieces.shared], [1, 1, 49]);
  for (let i = 0; i < 1_000; i++) await pieces.take(`k${i}`, make(100 * 1024));
  assert.ok(pieces.sizeBytes <= 4 * 1024 * 1024);
  assert.equal((await pieces.take('k999', make(1)))?.isOwn, false);
  assert.equal((await pieces.take('k0', make(1)))?.isOwn, true, 'it made room');
  const broken = pieces.take('b', () => Promise.reject(new Error('mine')));
  const beside = pieces.take('b', make(1));
  await assert.rejects(broken, /mine/);
  assert.equal(await beside, undefined, 'it looks for itself');
  assert.equal((await pieces.take('b', make(1)))?.isOwn, true);
});
