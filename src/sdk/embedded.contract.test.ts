/** Proves that millrace+dir:// keeps the contract of back ends, and that the embedded broker keeps what it was given. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { clientContract } from '../../test/kit/client-contract.ts';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { openBroker } from '../server/open-broker.ts';
import { type Client, connect, string } from './index.ts';

const directory = new TempDirectory();
const uri = `millrace+dir://${path.join(directory.path, 'shared')}`;
let first: Client;
let topics = 0;

before(async () => {
  // Held open, so that the broker is started once and not by every test.
  first = await connect(uri);
});
after(async () => {
  await first.close();
  directory[Symbol.dispose]();
});

clientContract('millrace+dir://', {
  async open() {
    return {
      connect: async (named = []) => await connect(`${uri}?heartbeat-ms=100&topics=${named.join(',')}`),
      async topic(partitions = 1) {
        const topic = `contract.topic-${topics++}`;
        // The contract writes records of fixed, old times: a sweep would take them on a slow machine.
        await first.admin.createTopic(topic, { partitions, config: { 'retention.ms': '-1' } });
        return topic;
      },
      close: async () => undefined,
    };
  },
});

test('records outlive the broker, and clients of one directory share one broker', { timeout: 60_000 }, async () => {
  const dir = path.join(directory.path, 'kept');
  {
    await using a = await connect(`millrace+dir://${dir}?topics=t`);
    await using b = await connect(`millrace+dir://${dir}?topics=t`);
    await using producer = await a.producer({ value: string() });
    await producer.send({ value: 'kept' });
    await using consumer = await b.consumer({ from: 'earliest', value: string() });
    assert.equal((await consumer.next())?.value, 'kept');
  }
  await using again = await connect(`millrace+dir://${dir}?topics=t`);
  await using consumer = await again.consumer({ from: 'earliest', until: 'end', value: string() });
  assert.equal((await consumer.next())?.value, 'kept');
  await assert.rejects(openBroker({ dir }), { code: 'JOURNAL_LOCKED' });
});

test('openBroker serves Kafka and HTTP on ports of its own, and lets go of them', { timeout: 60_000 }, async () => {
  const broker = await openBroker();
  const ready = await fetch(`${broker.http}/health/ready`);
  assert.equal(ready.status, 200);
  await ready.body?.cancel();
  await (await connect(broker.uri)).close();
  await broker.close();
  await broker.close();
  await assert.rejects(fetch(`${broker.http}/health/ready`));
  await assert.rejects(connect(broker.uri), { code: 'CLIENT_NETWORK', message: /No broker answers at 127/ });
});
