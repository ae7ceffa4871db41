/** What the scenarios of one client share: a broker of their own, and the plainest ways to send and to receive. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';
import type { ClientDriver, ClientRecord, ReceivedRecord, SendOptions } from './driver.ts';

/** Generous: two cores that others use too. A hang is what it is for. */
const TIMEOUT = { timeout: 60_000 };

export interface Scenarios {
  readonly driver: ClientDriver;
  /** Once the first scenario runs. */
  readonly broker: MillraceProcess;
  /** Registers a test that prints what the broker logged when it fails. */
  readonly scenario: (what: string, run: () => Promise<void>) => void;
  readonly send: (topic: string, records: readonly ClientRecord[], options?: SendOptions) => Promise<void>;
  /** Exactly as many records, in the order of arrival, through a group of their own. */
  readonly receive: (topic: string, count: number) => Promise<ReceivedRecord[]>;
  readonly createTopic: (topic: string, partitions: number) => Promise<void>;
}

export function scenariosOf(driver: ClientDriver): Scenarios {
  let running: MillraceProcess | undefined;

  before(async () => {
    running = await MillraceProcess.start();
  }, TIMEOUT);

  after(async () => {
    await running?.[Symbol.asyncDispose]();
  }, TIMEOUT);

  const kit: Scenarios = {
    driver,
    get broker() {
      assert.ok(running);
      return running;
    },

    scenario(what, run) {
      test(`${driver.name}: ${what}`, TIMEOUT, async (t) => {
        try {
          await run();
        } catch (error) {
          t.diagnostic(kit.broker.log());
          throw error;
        }
      });
    },

    async send(topic, records, options = {}) {
      await using producer = await driver.producer(kit.broker.kafka, options);
      await producer.send(topic, records);
    },

    async receive(topic, count) {
      await using consumer = await driver.consumer(kit.broker.kafka, topic, { group: `readers-of-${topic}` });
      const records = await consumer.take(count);
      assert.equal(consumer.waiting, 0, 'more came than was sent');
      return records;
    },

    async createTopic(topic, partitions) {
      using client = await RawClient.connect(kit.broker.kafka);
      await client.createTopic(topic, partitions);
    },
  };
  return kit;
}
