/**
 * The scenarios, the same for every client: what an application does with Kafka and expects of Millrace. Where a client
 * cannot do a thing, its scenario is left out (docs/clients.md lists which and why).
 *
 * What is stored is looked at past the client (wire-view.ts): a client that finds the broker wanting often falls back in
 * silence, for instance to sending uncompressed.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CODEC } from '../../src/model/record-batch.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';
import type { ClientConsumer, ClientDriver, ClientRecord, ReceivedRecord } from './driver.ts';
import { assertSame, awkwardRecords, earthquakes, text, texts } from './scenario-data.ts';
import { committedOffsets, groupSettled, storedBatches } from './wire-view.ts';

/** Generous: two cores that others use too. A hang is what it is for. */
const TIMEOUT = { timeout: 60_000 };
/** What fits `max.message.bytes` = 1,048,588 with room for batch and record headers. */
const LARGE_BYTES = 1_048_000;
const PARTITIONS = 6;

/** Registers the scenarios of one client, with a broker of its own. */
export function clientContract(driver: ClientDriver): void {
  let broker: MillraceProcess;

  before(async () => {
    broker = await MillraceProcess.start();
  }, TIMEOUT);

  after(async () => {
    await broker[Symbol.asyncDispose]();
  }, TIMEOUT);

  /** A scenario, that prints what the broker logged when it fails. */
  function scenario(what: string, run: () => Promise<void>): void {
    test(`${driver.name}: ${what}`, TIMEOUT, async (t) => {
      try {
        await run();
      } catch (error) {
        t.diagnostic(broker.log());
        throw error;
      }
    });
  }

  async function send(topic: string, records: readonly ClientRecord[], options = {}): Promise<void> {
    await using producer = await driver.producer(broker.kafka, options);
    await producer.send(topic, records);
  }

  async function receive(topic: string, count: number): Promise<ReceivedRecord[]> {
    await using consumer = await driver.consumer(broker.kafka, topic, { group: `readers-of-${topic}` });
    const records = await consumer.take(count);
    assert.equal(consumer.waiting, 0, 'more came than was sent');
    return records;
  }

  scenario('a topic that is missing is created, and listed', async () => {
    await send('made.by.itself', [text('first')]);
    assert.equal((await driver.topics(broker.kafka)).get('made.by.itself'), 1);
    assertSame(await receive('made.by.itself', 1), [text('first')]);
  });

  for (const codec of driver.codecs) {
    scenario(`${codec} is stored as ${codec} and read back`, async () => {
      const records = texts(200, 'the same words again and again and again ');
      await send(`codec.${codec}`, records, { codec });
      const batches = await storedBatches(broker.kafka, `codec.${codec}`);
      assert.deepEqual([...new Set(batches.map((batch) => batch.codec))], [CODEC[codec]]);
      assertSame(await receive(`codec.${codec}`, records.length), records);
    });
  }

  for (const acks of [0, 1, -1] as const) {
    scenario(`acks=${acks}`, async () => {
      await send(`acks.of.${acks}`, texts(20, 'a'), { acks });
      assertSame(await receive(`acks.of.${acks}`, 20), texts(20, 'a'));
    });
  }

  scenario('keys, values, headers, timestamps and what is absent come back as they were', async () => {
    const records = awkwardRecords(driver);
    await send('awkward', records);
    assertSame(await receive('awkward', records.length), records);
    const http = await fetch(`http://${broker.http}/v1/topics/awkward/records?offset=0&limit=2`);
    assert.equal(http.status, 200);
    assert.match(await http.text(), /no key/);
  });

  scenario('1,707 earthquakes', async () => {
    await send('earthquakes', earthquakes());
    assertSame(await receive('earthquakes', 1707), earthquakes());
  });

  scenario('the largest record passes, a larger one is refused with an error', async () => {
    const large = { key: null, value: Buffer.alloc(LARGE_BYTES, 'x'), headers: [] };
    await send('large', [large]);
    assertSame(await receive('large', 1), [large]);
    await assert.rejects(send('large', [{ ...large, value: Buffer.alloc(2 * LARGE_BYTES, 'x') }]));
    assert.equal((await storedBatches(broker.kafka, 'large')).length, 1);
  });

  if (driver.can.idempotent) {
    scenario('an idempotent producer', async () => {
      await send('idempotent', texts(50, 'i'), { idempotent: true });
      const batches = await storedBatches(broker.kafka, 'idempotent');
      assert.ok(batches.every((batch) => batch.producerId >= 0));
      assertSame(await receive('idempotent', 50), texts(50, 'i'));
    });
  }

  const offsetAt = driver.offsetAt?.bind(driver);
  if (offsetAt !== undefined && driver.can.ownTimestamps) {
    scenario('offsets by timestamp', async () => {
      await send(
        'by.time',
        texts(10, 't').map((record, i) => ({ ...record, timestamp: secondOf2020(i) })),
      );
      assert.equal(await offsetAt(broker.kafka, 'by.time', secondOf2020(4)), 4);
      assert.equal(await offsetAt(broker.kafka, 'by.time', secondOf2020(4) + 1), 5);
      assert.equal(await offsetAt(broker.kafka, 'by.time', 0), 0);
    });
  }

  if (driver.admin !== undefined) {
    scenario('topics are created, grown, configured, emptied and deleted', async () => {
      await using admin = await driver.admin?.(broker.kafka);
      assert.ok(admin);
      await admin.createTopic('administered', 2, { 'max.message.bytes': '5000' });
      await admin.addPartitions('administered', 4);
      assert.equal((await driver.topics(broker.kafka)).get('administered'), 4);
      await assert.rejects(admin.createTopic('administered', 2, {}));
      assert.equal((await admin.describeConfig?.('administered', 'max.message.bytes')) ?? '5000', '5000');
      await admin.alterConfig?.('administered', 'max.message.bytes', '6000');
      if (admin.alterConfig) assert.equal(await admin.describeConfig?.('administered', 'max.message.bytes'), '6000');
      await send(
        'administered',
        Array.from({ length: 10 }, (_, i) => text(`${i}`, 0)),
      );
      if (admin.deleteRecords !== undefined) {
        await admin.deleteRecords('administered', 0, 7);
        const left = await receive('administered', 3);
        assert.deepEqual(
          left.map((record) => record.offset),
          [7, 8, 9],
        );
      }
      await admin.deleteTopic('administered');
      assert.equal((await driver.topics(broker.kafka)).has('administered'), false);
    });
  }

  scenario('a group of one commits, and goes on after a restart of the broker', async () => {
    await send('resumed', texts(10, 'before '));
    await using first = await driver.consumer(broker.kafka, 'resumed', { group: 'resuming' });
    await first.take(10);
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await committedOffsets(broker.kafka, 'resuming', 'resumed', 1), [10]);
    await broker.restart();
    await send('resumed', texts(5, 'after '));
    await using second = await driver.consumer(broker.kafka, 'resumed', { group: 'resuming' });
    assertSame(await second.take(5), texts(5, 'after '));
  });

  scenario('a group of three shares the partitions, of two after one left', async () => {
    await createTopic(broker, 'shared', PARTITIONS);
    const members: ClientConsumer[] = [];
    await using _all = closing(members);
    for (let i = 0; i < 3; i++) members.push(await driver.consumer(broker.kafka, 'shared', { group: 'sharing' }));
    await groupSettled(broker.kafka, 'sharing', 3);
    await rounds(members, 'three');
    await members.pop()?.[Symbol.asyncDispose]();
    await groupSettled(broker.kafka, 'sharing', 2);
    await rounds(members, 'two');
  });

  /**
   * One record to each partition, twice. The first time a member may still get the answer to a fetch that it sent before
   * the rebalance, so only that all arrive is asked; the second time each member gets its share, and no record comes twice.
   */
  async function rounds(members: readonly ClientConsumer[], name: string): Promise<void> {
    for (const round of ['loose', 'strict']) {
      const values = Array.from({ length: PARTITIONS }, (_, i) => `${name} ${round} ${i}`);
      await send(
        'shared',
        values.map((value, i) => text(value, i)),
      );
      const shares = await gather(members, values);
      if (round === 'loose') continue;
      assert.deepEqual(shares.flat().sort(), values);
      for (const share of shares) assert.equal(share.length, PARTITIONS / members.length);
    }
  }

  if (driver.can.outliveBroker)
    scenario('a restart of the broker under a connected client', async () => {
      await send('reconnected', texts(3, 'before '));
      await using consumer = await driver.consumer(broker.kafka, 'reconnected', { group: 'reconnecting' });
      assertSame(await consumer.take(3), texts(3, 'before '));
      await using producer = await driver.producer(broker.kafka);
      await producer.send('reconnected', [text('connected')]);
      await consumer.take(1);
      await broker.restart();
      await producer.send('reconnected', [text('again')]);
      for (;;) {
        // At least once: what was not committed before the restart may come again.
        const [record] = await consumer.take(1);
        if (record?.value?.toString() === 'again') break;
      }
    });
}

/** What each member got of these values, once all have come. */
async function gather(members: readonly ClientConsumer[], values: readonly string[]): Promise<string[][]> {
  const missing = new Set(values);
  const shares = members.map((): string[] => []);
  for (;;) {
    for (const [i, member] of members.entries()) {
      const records = await member.take(member.waiting);
      const got = records.map((record) => record.value?.toString() ?? '').filter((value) => values.includes(value));
      shares[i]?.push(...got);
      for (const value of got) missing.delete(value);
    }
    if (missing.size === 0) return shares;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function createTopic(broker: MillraceProcess, topic: string, partitions: number): Promise<void> {
  using client = await RawClient.connect(broker.kafka);
  await client.createTopic(topic, partitions);
}

function closing(members: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const member of members) await member[Symbol.asyncDispose]();
    },
  };
}

/** Milliseconds since 1970, a second apart. */
function secondOf2020(i: number): number {
  return 1_600_000_000_000 + i * 1000;
}
