/** Proves `GET /v1/clients` over all three transports of a whole server: who is there, in their own words, and who has left. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { RawClient } from '../../test/kit/raw-client.ts';
import type { ClientList } from '../listeners/http/schemas.ts';
import { apiVersions } from '../wire/index.ts';
import { openBroker } from './index.ts';

test('clients of all transports are listed while they are connected', { timeout: 60_000 }, async () => {
  await using broker = await openBroker();
  const list = async (query = ''): Promise<ClientList> => {
    const headers = { 'user-agent': 'test/1', 'millrace-client-id': 'watcher', connection: 'close' };
    const answer = await fetch(`${broker.http}/v1/clients${query}`, { headers });
    assert.equal(answer.status, 200);
    return (await answer.json()) as ClientList;
  };
  const startedAt = Date.now();
  const raw = await RawClient.connect(broker.kafka);
  const software = { clientSoftwareName: 'raw-kit', clientSoftwareVersion: '1.2' };
  await raw.request(apiVersions, 3, software);
  const socket = new WebSocket(`${broker.http.replace('http', 'ws')}/v1/ws?clientId=page`);
  await once(socket, 'open');

  const { clients, nextCursor } = await list();
  assert.equal(nextCursor, null);
  const words = clients.map(({ transport, clientId, software: said }) => `${transport} ${clientId} ${said}`);
  assert.deepEqual(words.toSorted(), ['http watcher test/1', 'kafka raw raw-kit/1.2', 'websocket page null']);
  for (const client of clients) {
    assert.match(client.id, /^(?:kafka|http)-\d+$/);
    assert.equal(client.host, '127.0.0.1');
    assert.ok(client.port > 0 && client.connectedAt >= startedAt && client.receivedBytes > 0, JSON.stringify(client));
  }
  const kafka = clients.find(({ transport }) => transport === 'kafka');
  assert.ok(kafka !== undefined && kafka.requests === 1 && kafka.sentBytes > 0);
  assert.deepEqual((await list('?transport=kafka')).clients, [kafka]);

  const first = await list('?limit=1&transport=kafka');
  assert.equal(first.nextCursor, null);
  const page = await list('?limit=2');
  assert.ok(page.nextCursor !== null);
  const rest = await list(`?limit=2&cursor=${page.nextCursor}`);
  // Each request here is a connection of its own, so that those of HTTP come and go.
  const held = [...page.clients, ...rest.clients].filter(({ transport }) => transport !== 'http');
  assert.deepEqual(held.map(({ transport }) => transport).toSorted(), ['kafka', 'websocket']);

  raw[Symbol.dispose]();
  socket.terminate();
  const others = async (): Promise<number> =>
    (await list()).clients.filter(({ clientId }) => clientId !== 'watcher').length;
  while ((await others()) > 0) await sleep(10);
  const refused = await fetch(`${broker.http}/v1/clients?transport=fax`);
  assert.equal(refused.status, 400);
});
