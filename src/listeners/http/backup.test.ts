/** Proves that a backup over HTTP is whole, that one whose reader leaves lets the files go, and that bad requests are told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { HttpKit } from '../../../test/kit/http-kit.ts';
import { BackupReader } from '../../store/backup-reader.ts';

const DEADLINE = { timeout: 60_000 };

async function filled(bytes: number): Promise<HttpKit> {
  const kit = await HttpKit.start();
  const topic = await kit.broker.topics.create({ name: 't' });
  for (let sent = 0; sent < bytes; sent += 500_000) await produce(kit.broker, topic, 0, batchOf(['x'.repeat(500_000)]));
  return kit;
}

async function post(kit: HttpKit, body?: object): Promise<Response> {
  return await fetch(`http://127.0.0.1:${kit.port}/v1/backup`, {
    method: 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
}

test('the answer is a backup, and one made on it is small', DEADLINE, async () => {
  await using kit = await filled(3_000_000);
  const response = await post(kit);
  assert.equal(response.headers.get('content-type'), 'application/vnd.millrace.backup');
  const reader = await BackupReader.open(response.body as AsyncIterable<Uint8Array>, 'full');
  let bytes = 0;
  for await (const piece of reader.pieces()) bytes += piece.bytes.length;
  assert.ok(bytes > 3_000_000);
  const second = await BackupReader.open((await post(kit, reader.manifest)).body as AsyncIterable<Uint8Array>, 'next');
  let more = 0;
  for await (const piece of second.pieces()) more += piece.bytes.length;
  assert.ok(more < 100_000, String(more));
  assert.equal(kit.broker.fileHold.held, false);
});

test('a reader that leaves ends its backup, and only one runs at a time', DEADLINE, async () => {
  await using kit = await filled(20_000_000);
  const socket = net.connect(kit.port, '127.0.0.1');
  socket.write('POST /v1/backup HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  assert.equal(kit.broker.backups.running, true);
  const refused = await kit.call('POST', '/v1/backup');
  assert.equal(refused.json.code, 'BACKUP_RUNNING');
  socket.destroy();
  while (kit.broker.backups.running) await sleep(5);
  assert.equal(kit.broker.fileHold.held, false);
  assert.equal(kit.broker.backups.counters.finished, 0);
});

test('what is wrong with a request is said before anything is held', DEADLINE, async () => {
  await using kit = await filled(1);
  const call = async (body: string): Promise<string> =>
    (await kit.call('POST', '/v1/backup', { body, type: 'application/json' })).json.code as string;
  assert.equal(await call('{'), 'HTTP_JSON_INVALID');
  assert.equal(await call('{}'), 'HTTP_REQUEST_INVALID');
  assert.equal(await call('{"clusterId":"x","files":[{"kind":"other"}]}'), 'HTTP_REQUEST_INVALID');
  assert.equal(await call('{"clusterId":"x","files":[]}'), 'BACKUP_EARLIER_UNUSABLE');
  assert.equal((await kit.call('POST', '/v1/backup?maxBytesPerSecond=no')).status, 400);
  assert.equal(kit.broker.backups.running, false);
});
