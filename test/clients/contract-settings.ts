/** Topic settings that change what is stored, as clients see them: the codec, and the broker's time. */
import assert from 'node:assert/strict';
import { CODEC } from '../../src/model/record-batch.ts';
import { RawClient } from '../kit/raw-client.ts';
import type { ClientRecord } from './driver.ts';
import { assertSame, texts } from './scenario-data.ts';
import type { Scenarios } from './scenarios.ts';
import { storedBatches } from './wire-view.ts';

function message(id: number): ClientRecord {
  return {
    key: null,
    value: Buffer.from(`value ${id}`),
    headers: [['message-id', Buffer.from(`id-${id}`)]],
    timestamp: 1_700_000_000_000,
    partition: 0,
  };
}

export function settingScenarios(kit: Scenarios): void {
  const { driver, scenario, send, receive } = kit;

  async function createWith(topic: string, name: string, value: string): Promise<void> {
    using client = await RawClient.connect(kit.broker.kafka);
    await client.createTopic(topic, 1, [{ name, value }]);
  }

  for (const [type, codec] of [
    ['uncompressed', 'none'],
    ['gzip', 'gzip'],
    ['lz4', 'lz4'],
    ['zstd', 'zstd'],
  ] as const) {
    scenario(`compression.type ${type}: stored so, whatever was sent, and read back`, async () => {
      const topic = `recompressed.${type}`;
      await createWith(topic, 'compression.type', type);
      const records = texts(200, 'the same words again and again and again ');
      const codecs = driver.codecs.slice(0, 3);
      for (const sent of codecs) await send(topic, records, { codec: sent });
      const batches = await storedBatches(kit.broker.kafka, topic);
      assert.deepEqual([...new Set(batches.map((batch) => batch.codec))], [CODEC[codec]]);
      const expected = codecs.flatMap(() => records);
      if (driver.codecs.includes(codec)) assertSame(await receive(topic, expected.length), expected);
    });
  }

  for (const codec of driver.codecs.slice(0, 2)) {
    scenario(`dedup.window.ms: repeats of a message-id are stored once, gaps are read over (${codec})`, async () => {
      const topic = `once.${codec}`;
      await createWith(topic, 'dedup.window.ms', '600000');
      const idempotent = driver.can.idempotent;
      // Gaps in front, between, and behind everything; and sends that are nothing but repeats.
      const sends = [[0, 1, 2], [1, 3, 0, 4], [5, 5, 2, 1], [3, 4], [6, 0], [6]];
      for (const ids of sends) await send(topic, ids.map(message), { codec, idempotent });
      const received = await receive(topic, 7);
      assert.deepEqual(
        received.map(({ value }) => String(value)),
        [0, 1, 2, 3, 4, 5, 6].map((id) => `value ${id}`),
      );
      await send(topic, [7, 7, 0].map(message), { codec, idempotent });
      const [next] = await receive(topic, 1);
      assert.equal(String(next?.value), 'value 7', 'the gap in front holds nobody up');
    });
  }

  scenario("LogAppendTime: records carry the broker's time", async () => {
    await createWith('appended', 'message.timestamp.type', 'LogAppendTime');
    const startedAt = Date.now();
    const untimed = texts(20, 't').map((record) => ({ ...record, timestamp: undefined }));
    await send('appended', untimed);
    const received = await receive('appended', 20);
    assert.ok(received.every(({ timestamp }) => timestamp >= startedAt && timestamp <= Date.now()));
  });
}
