/** The storage engine alone: what is appended is read, followed, kept over a restart, and served by a broker as it is. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { openBroker } from '../server/open-broker.ts';
import { type Log, type LogRecord, openLog } from './index.ts';

const OPTIONS = { timeout: 60_000 } as const;

async function values(records: AsyncIterable<LogRecord>): Promise<string[]> {
  const read: string[] = [];
  for await (const { value } of records) read.push(value === null ? 'null' : Buffer.from(value).toString());
  return read;
}

async function withLog(use: (log: Log, directory: string) => Promise<void>): Promise<void> {
  using directory = new TempDirectory();
  await using log = await openLog({ dir: directory.path });
  await use(log, directory.path);
}

describe('millrace/log', OPTIONS, () => {
  it('appends, reads from any position, and keeps it over a restart', async () => {
    using directory = new TempDirectory();
    const log = await openLog({ dir: directory.path });
    await log.createTopic('orders', { partitions: 2 });
    const timestamps = [1_000, 2_000, 3_000, 4_000];
    for (const timestamp of timestamps) {
      const [place] = await log.append('orders', { value: `at ${timestamp}`, timestamp, partition: 1 });
      assert.deepEqual(place, { topic: 'orders', partition: 1, offset: timestamp / 1_000 - 1 });
    }
    await log.append('orders', { key: 'k', value: null, headers: [{ key: 'h', value: 'x' }], partition: 0 });
    await log.close();
    await log.close();

    await using again = await openLog({ dir: directory.path });
    const read = async (options: object): Promise<string[]> =>
      values(again.read('orders', { partition: 1, ...options }));
    assert.deepEqual(await read({}), ['at 1000', 'at 2000', 'at 3000', 'at 4000']);
    assert.deepEqual(await read({ from: 2 }), ['at 3000', 'at 4000']);
    assert.deepEqual(await read({ from: new Date(1_500) }), ['at 2000', 'at 3000', 'at 4000']);
    assert.deepEqual(await read({ from: 'latest' }), []);
    assert.deepEqual(await read({ from: new Date(9_000) }), []);
    assert.deepEqual(await read({ limit: 1 }), ['at 1000']);
    const { value: tombstone } = await again.read('orders', { partition: 0 }).next();
    assert.ok(tombstone?.value === null && tombstone.key !== null);
    assert.equal(Buffer.from(tombstone.key).toString(), 'k');
    assert.deepEqual(
      (tombstone as LogRecord).headers.map(({ key, value }) => [
        key,
        value === null ? null : Buffer.from(value).toString(),
      ]),
      [['h', 'x']],
    );
  });

  it('keeps large batches, which it does not copy, between small ones', async () => {
    using directory = new TempDirectory();
    const expected = Array.from({ length: 6 }, (_, i) => String(i).repeat(i % 2 === 0 ? 1 : 300_000));
    {
      await using log = await openLog({ dir: directory.path });
      await log.createTopic('large');
      const value = Buffer.from(expected[1] as string);
      const appended = [
        log.append('large', { value: expected[0] as string }),
        log.append('large', { value }),
        ...expected.slice(2).map((text) => log.append('large', { value: text })),
      ];
      // The records were copied into their batch by then: a program may use its memory again.
      value.fill(0);
      await Promise.all(appended);
      assert.deepEqual(await values(log.read('large')), expected);
    }
    await using again = await openLog({ dir: directory.path });
    assert.deepEqual(await values(again.read('large')), expected);
  });

  it('follows: what is there, what comes, until the signal', async () => {
    await withLog(async (log) => {
      await log.createTopic('t');
      await log.append('t', [{ value: '0' }, { value: '1' }]);
      const ended = new AbortController();
      const seen: string[] = [];
      const following = (async () => {
        for await (const { value } of log.read('t', { from: 1, follow: true, signal: ended.signal })) {
          seen.push(Buffer.from(value ?? []).toString());
          if (seen.length === 4) ended.abort();
        }
      })();
      for (const value of ['2', '3', '4']) {
        await log.append('t', { value });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await following;
      assert.deepEqual(seen, ['1', '2', '3', '4']);
      const idle = new AbortController();
      setTimeout(() => idle.abort(), 20);
      assert.deepEqual(await values(log.read('t', { from: 'latest', follow: true, signal: idle.signal })), []);
    });
  });

  it('spreads records by key as Kafka does, and those without one in turns', async () => {
    await withLog(async (log) => {
      await log.createTopic('t', { partitions: 3 });
      const keyed = await log.append('t', [{ key: 'a' }, { key: 'b' }, { key: 'a' }]);
      assert.equal(keyed[0]?.partition, keyed[2]?.partition);
      const turns = await log.append('t', [{ value: '1' }, { value: '2' }, { value: '3' }, { value: '4' }]);
      assert.deepEqual(
        turns.map(({ partition }) => partition),
        [0, 1, 2, 0],
      );
    });
  });

  it('gives each record its place, also where they take several batches', async () => {
    await withLog(async (log) => {
      await log.createTopic('t', { partitions: 2, config: { 'max.message.bytes': '5000' } });
      const records = Array.from({ length: 40 }, (_, i) => ({ value: `${i} ${'x'.repeat(700)}`, partition: i % 2 }));
      const places = await log.append('t', records);
      for (const partition of [0, 1]) {
        const offsets = places.filter((place) => place.partition === partition).map(({ offset }) => offset);
        assert.deepEqual(
          offsets,
          Array.from({ length: 20 }, (_, i) => i),
        );
        const read = await values(log.read('t', { partition }));
        assert.deepEqual(
          read,
          records.filter((record) => record.partition === partition).map(({ value }) => value),
        );
      }
    });
  });

  it('a commit over several topics is written whole or not at all', async () => {
    await withLog(async (log) => {
      await log.createTopic('food.eggs');
      await log.createTopic('food.ham', { config: { 'message.timestamp.after.max.ms': '1000' } });
      const places = await log.commit([
        { topic: 'food.eggs', value: '1' },
        { topic: 'food/ham', value: '2' },
      ]);
      assert.deepEqual(
        places.map(({ topic, offset }) => [topic, offset]),
        [
          ['food.eggs', 0],
          ['food.ham', 0],
        ],
      );
      const late = Date.now() + 3_600_000;
      await assert.rejects(
        log.commit([
          { topic: 'food.eggs', value: '3' },
          { topic: 'food.ham', value: '4', timestamp: late },
        ]),
        { code: 'BROKER_TIMESTAMP_INVALID' },
      );
      assert.deepEqual(await values(log.read('food.eggs')), ['1']);
    });
  });

  it('subscribes to topics by glob, in the order of commits, and goes on behind a cursor', async () => {
    await withLog(async (log) => {
      await log.createTopic('food.eggs');
      await log.append('food.eggs', { value: '1' });
      const ended = new AbortController();
      const seen: { value: string; cursor: string }[] = [];
      const following = (async () => {
        for await (const { value, cursor } of log.subscribe('food/**', { follow: true, signal: ended.signal })) {
          seen.push({ value: Buffer.from(value ?? []).toString(), cursor });
          if (seen.length === 3) ended.abort();
        }
      })();
      await log.createTopic('food.ham');
      await log.createTopic('cars.red');
      await log.append('food.ham', { value: '2' });
      await log.append('cars.red', { value: 'not wanted' });
      await log.append('food.eggs', { value: '3' });
      await following;
      assert.deepEqual(
        seen.map(({ value }) => value),
        ['1', '2', '3'],
      );
      const from = seen[1]?.cursor ?? '';
      assert.deepEqual(await values(log.subscribe(['food/**', 'drinks/*'], { from })), ['3']);
      await assert.rejects(values(log.subscribe('**', { from: 'nonsense' })), { code: 'BROKER_CURSOR_INVALID' });
    });
  });

  it('deletes by offset, by retention, and whole topics', async () => {
    await withLog(async (log) => {
      await log.createTopic('t', { config: { 'retention.records': '3' } });
      await log.append(
        't',
        Array.from({ length: 10 }, (_, i) => ({ value: String(i) })),
      );
      assert.equal(await log.deleteRecords('t', 0, 4), 4);
      assert.deepEqual(await values(log.read('t')), ['4', '5', '6', '7', '8', '9']);
      await assert.rejects(values(log.read('t', { from: 1 })), { code: 'STORE_OFFSET_OUT_OF_RANGE' });
      assert.deepEqual(await values(log.read('t', { from: 10 })), []);
      // Without `follow` it was an empty topic.
      for (const follow of [false, true]) {
        await assert.rejects(values(log.read('t', { from: 11, follow })), /Offset 11 .* 4 to 10 \(exclusive\)/);
      }
      await log.configure('t', { 'retention.records': null });
      assert.deepEqual(log.topic('t')?.config, {});
      assert.deepEqual(
        log.topic('t')?.partitions.map(({ startOffset, endOffset }) => [startOffset, endOffset]),
        [[4, 10]],
      );
      await log.enforceRetention();
      await log.deleteTopic('t');
      assert.deepEqual(log.topics(), []);
    });
  });

  it('names what is wrong', async () => {
    await withLog(async (log, dir) => {
      await assert.rejects(openLog({ dir }), { code: 'JOURNAL_LOCKED' });
      await assert.rejects(log.append('nowhere', { value: '1' }), { code: 'BROKER_TOPIC_NOT_FOUND' });
      assert.throws(() => log.read('nowhere'), { code: 'BROKER_TOPIC_NOT_FOUND' });
      await log.createTopic('t');
      assert.throws(() => log.read('t', { partition: 1 }), { code: 'BROKER_PARTITION_NOT_FOUND' });
      await assert.rejects(log.append('t', { value: '1', partition: 7 }), { code: 'BROKER_PARTITION_NOT_FOUND' });
      await assert.rejects(log.append('t', { value: '1', timestamp: 0.5 }), { code: 'MODEL_RECORD_INVALID' });
      await assert.rejects(log.append('t', { value: 'x'.repeat(2_000_000) }), { code: 'MODEL_BATCH_TOO_LARGE' });
      assert.deepEqual(await log.append('t', []), []);
      assert.deepEqual(await values(log.read('t')), []);
    });
  });

  it('is what a broker serves', async () => {
    using directory = new TempDirectory();
    const log = await openLog({ dir: directory.path });
    await log.createTopic('orders');
    await log.append('orders', { key: 'k', value: 'from the log' });
    await log.close();
    await using broker = await openBroker({ dir: directory.path });
    const answer = await fetch(`${broker.http}/v1/topics/orders/records?partition=0&offset=0`);
    assert.match(await answer.text(), /from the log/);
  });
});

it('is encrypted with a master key, and opens with that key alone', OPTIONS, async () => {
  using directory = new TempDirectory();
  const masterKeys = `mine ${'5a'.repeat(32)}`;
  {
    await using log = await openLog({ dir: directory.path, masterKeys });
    await log.createTopic('orders');
    await log.append('orders', { value: 'a word that is not in any file' });
  }
  for (const entry of readdirSync(directory.path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    assert.ok(!readFileSync(path.join(entry.parentPath, entry.name)).includes('a word that is not'), entry.name);
  }
  await assert.rejects(openLog({ dir: directory.path }), { code: 'STORE_KEY_MISSING', message: /'mine'/ });
  await using again = await openLog({ dir: directory.path, masterKeys });
  assert.equal(again.topics().length, 1);
});
