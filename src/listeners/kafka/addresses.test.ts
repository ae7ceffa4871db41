/**
 * Proves that one listener serves several addresses: each client is told the address that it used or the one that is
 * advertised there, over IPv4 and IPv6; they share limits; and none stays open when one cannot be had.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Admin } from '@platformatic/kafka';
import { openBroker } from '../../../test/kit/broker-kit.ts';
import { RawClient } from '../../../test/kit/raw-client.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { describeCluster, findCoordinator, metadata } from '../../wire/index.ts';
import { KafkaListener } from './listener.ts';

const DEADLINE = { timeout: 60_000 };

/** Some containers have no IPv6 at all. */
async function hasIPv6(): Promise<boolean> {
  const server = net.createServer();
  try {
    server.listen(0, '::1');
    await once(server, 'listening');
    server.close();
    return true;
  } catch {
    return false;
  }
}

/** What the broker says of itself in all three answers that name it. */
async function toldAt(host: string, port: number): Promise<string> {
  using client = await RawClient.connect(`${host}:${port}`);
  const { brokers } = await client.request(metadata, 9, { topics: [] });
  const cluster = await client.request(describeCluster, 0, { includeClusterAuthorizedOperations: false });
  const coordinator = await client.request(findCoordinator, 3, { key: 'g', keyType: 0 });
  const told = [brokers[0], cluster.brokers[0], coordinator].map((each) => `${each?.host} ${each?.port}`);
  assert.equal(new Set(told).size, 1, told.join(', '));
  return told[0] as string;
}

test('each client is told where it came in, or what is advertised there', DEADLINE, async (t) => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const withIPv6 = await hasIPv6();
  if (!withIPv6) {
    t.diagnostic('!!! no IPv6 on this machine: the address ::1 is not tested');
  }
  const listener = await KafkaListener.start({
    broker,
    host: '127.0.0.1',
    port: 0,
    others: [
      { host: '127.0.0.1', port: 0, advertised: { host: 'kafka.example.org', port: 443 } },
      ...(withIPv6 ? [{ host: '::1', port: 0 }] : []),
    ],
    settings: { maxConnections: 2 },
  });
  try {
    const [inner, outer, six] = listener.addresses;
    assert.ok(inner !== undefined && outer !== undefined);
    assert.equal(listener.address, inner);
    assert.equal(await toldAt('127.0.0.1', inner.port), `127.0.0.1 ${inner.port}`);
    assert.equal(await toldAt('127.0.0.1', outer.port), 'kafka.example.org 443');
    if (six !== undefined) {
      assert.equal(six.host, '::1');
      assert.equal(await toldAt('::1', six.port), `::1 ${six.port}`);
      const admin = new Admin({ clientId: 'six', bootstrapBrokers: [{ host: '::1', port: six.port }] });
      const { brokers } = await admin.metadata({ topics: [] });
      assert.equal(brokers.get(broker.brokerId)?.host, '::1');
      await admin.close();
    }
    while (listener.connections() > 0) await delay(5, undefined, { signal: t.signal });
    // The limit on connections is one for all addresses.
    const first = await RawClient.connect(`127.0.0.1:${inner.port}`);
    const second = await RawClient.connect(`127.0.0.1:${outer.port}`);
    const third = net.connect(outer.port, '127.0.0.1');
    third.on('error', () => undefined);
    await once(third, 'close');
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    assert.equal(listener.metrics.refused, 1);
  } finally {
    await listener.stop();
    await broker.close();
  }
});

test('where one address is taken, none stays open', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const taken = net.createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const free = net.createServer();
  free.listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as net.AddressInfo;
  free.close();
  await once(free, 'close');
  const busy = { host: '127.0.0.1', port: (taken.address() as net.AddressInfo).port };
  await assert.rejects(KafkaListener.start({ broker, host: '127.0.0.1', port, others: [busy] }), {
    code: 'EADDRINUSE',
    port: busy.port,
  });
  const again = await KafkaListener.start({ broker, host: '127.0.0.1', port });
  await again.stop();
  taken.close();
  await broker.close();
});
