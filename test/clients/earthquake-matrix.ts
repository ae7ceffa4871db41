/** The 1,707 earthquakes go in through each client and come out of each, byte for byte. */
import { test } from 'node:test';
import { MillraceProcess } from '../kit/millrace-process.ts';
import type { ClientDriver } from './driver.ts';
import { assertSame, earthquakes } from './scenario-data.ts';

const TIMEOUT = { timeout: 60_000 };

/** Registers one test per pair; the codec changes from writer to writer. */
export function earthquakeMatrix(writers: readonly ClientDriver[], readers: readonly ClientDriver[]): void {
  test('the earthquake feed from client to client', { timeout: 300_000 }, async (t) => {
    await using broker = await MillraceProcess.start();
    const feed = earthquakes();
    for (const [i, writer] of writers.entries()) {
      const topic = `feed.${i}`;
      const codec = writer.codecs[i % writer.codecs.length] ?? 'none';
      await t.test(`${writer.name} writes (${codec})`, TIMEOUT, async () => {
        await using producer = await writer.producer(broker.kafka, { codec });
        await producer.send(topic, feed);
      });
      for (const [j, reader] of readers.entries()) {
        await t.test(`${reader.name} reads what ${writer.name} wrote`, TIMEOUT, async () => {
          await using consumer = await reader.consumer(broker.kafka, topic, { group: `reader-${j}-of-${i}` });
          assertSame(await consumer.take(feed.length), feed);
        });
      }
    }
  });
}
