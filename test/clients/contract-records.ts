/** What goes in comes out: codecs, acks, sizes, timestamps, awkward bytes, real ones. */
import assert from 'node:assert/strict';
import { CODEC } from '../../src/model/record-batch.ts';
import { assertSame, awkwardRecords, earthquakes, text, texts } from './scenario-data.ts';
import type { Scenarios } from './scenarios.ts';
import { storedBatches } from './wire-view.ts';

/** What fits `max.message.bytes` = 1,048,588 with room for batch and record headers. */
const LARGE_BYTES = 1_048_000;

export function recordScenarios(kit: Scenarios): void {
  const { driver, scenario, send, receive } = kit;

  scenario('a topic that is missing is created, and listed', async () => {
    await send('made.by.itself', [text('first')]);
    assert.equal((await driver.topics(kit.broker.kafka)).get('made.by.itself'), 1);
    assertSame(await receive('made.by.itself', 1), [text('first')]);
  });

  for (const codec of driver.codecs) {
    scenario(`${codec} is stored as ${codec} and read back`, async () => {
      // Long enough to shrink alone: librdkafka sends a batch as it is where compressing does not make it smaller.
      const records = texts(200, 'the same words again and again and again '.repeat(5));
      await send(`codec.${codec}`, records, { codec });
      const batches = await storedBatches(kit.broker.kafka, `codec.${codec}`);
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
    const http = await fetch(`http://${kit.broker.http}/v1/topics/awkward/records?offset=0&limit=2`);
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
    assert.equal((await storedBatches(kit.broker.kafka, 'large')).length, 1);
  });

  if (driver.can.idempotent) {
    scenario('an idempotent producer', async () => {
      await send('idempotent', texts(50, 'i'), { idempotent: true });
      const batches = await storedBatches(kit.broker.kafka, 'idempotent');
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
      assert.equal(await offsetAt(kit.broker.kafka, 'by.time', secondOf2020(4)), 4);
      assert.equal(await offsetAt(kit.broker.kafka, 'by.time', secondOf2020(4) + 1), 5);
      assert.equal(await offsetAt(kit.broker.kafka, 'by.time', 0), 0);
    });
  }

  if (driver.can.outliveBroker)
    scenario('a restart of the broker under a connected client', async () => {
      await send('reconnected', texts(3, 'before '));
      await using consumer = await driver.consumer(kit.broker.kafka, 'reconnected', { group: 'reconnecting' });
      assertSame(await consumer.take(3), texts(3, 'before '));
      await using producer = await driver.producer(kit.broker.kafka);
      await producer.send('reconnected', [text('connected')]);
      await consumer.take(1);
      await kit.broker.restart();
      await producer.send('reconnected', [text('again')]);
      for (;;) {
        // At least once: what was not committed before the restart may come again.
        const [record] = await consumer.take(1);
        if (record?.value?.toString() === 'again') break;
      }
    });
}

/** Milliseconds since 1970, a second apart. */
function secondOf2020(i: number): number {
  return 1_600_000_000_000 + i * 1000;
}
