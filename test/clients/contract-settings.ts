/** Topic settings that change what is stored, as clients see them: the codec, and the broker's time. */
import assert from 'node:assert/strict';
import { CODEC } from '../../src/model/record-batch.ts';
import { RawClient } from '../kit/raw-client.ts';
import { assertSame, texts } from './scenario-data.ts';
import type { Scenarios } from './scenarios.ts';
import { storedBatches } from './wire-view.ts';

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

  scenario("LogAppendTime: records carry the broker's time", async () => {
    await createWith('appended', 'message.timestamp.type', 'LogAppendTime');
    const startedAt = Date.now();
    const untimed = texts(20, 't').map((record) => ({ ...record, timestamp: undefined }));
    await send('appended', untimed);
    const received = await receive('appended', 20);
    assert.ok(received.every(({ timestamp }) => timestamp >= startedAt && timestamp <= Date.now()));
  });
}
