// Proves: acknowledgements of the three peer protocols are counted right however the answers are cut, and error answers
// throw. That the requests are right is proved by running against the real servers (run.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawSocket } from '../../src/cli/bench/raw-socket.ts';
import { PEERS } from './all.ts';
import type { PeerConnection } from './peer.ts';

const mute = { socket: { write: () => true }, close: () => undefined } as unknown as RawSocket;

/** @returns acknowledgements counted when the stream arrives in pieces of each size from 1 to its length. */
function countsOfAllCuts(makeConnection: () => PeerConnection, stream: Buffer): Set<number> {
  const counts = new Set<number>();
  for (let size = 1; size <= stream.length; size++) {
    const connection = makeConnection();
    let count = 0;
    for (let at = 0; at < stream.length; at += size) {
      const piece = stream.subarray(at, at + size);
      count += connection.receive(Buffer.concat([piece, Buffer.from('$-ERR')]), piece.length);
    }
    counts.add(count);
  }
  return counts;
}

function rabbitFrame(key: number, body: string): Buffer {
  const content = Buffer.concat([Buffer.from([key >> 8, key & 255, 0, 1]), Buffer.from(body, 'hex')]);
  const size = Buffer.alloc(4);
  size.writeInt32BE(content.length);
  return Buffer.concat([size, content]);
}

function natsMessage(payload: string): string {
  return `MSG _INBOX.bench0.a 1 ${payload.length}\r\n${payload}\r\n`;
}

/** Waits for the answer to its making of the stream. */
function openNats(): PeerConnection {
  const connection = PEERS.nats.connect(0);
  void connection.open(mute);
  return connection;
}

test('Redis: each entry id counts once, errors throw', () => {
  const ids = Buffer.from('$15\r\n1700000000000-0\r\n'.repeat(3) + '$16\r\n1700000000000-10\r\n');
  assert.deepEqual(
    countsOfAllCuts(() => PEERS.redis.connect(0), ids),
    new Set([4]),
  );
  const refusal = Buffer.from('-OOM command not allowed\r\n');
  assert.throws(() => PEERS.redis.connect(0).receive(refusal, refusal.length), /OOM command not allowed/);
});

test('NATS: acknowledgements count after the stream was made, pings and information do not', () => {
  const created = natsMessage('{"type":"created"}');
  const acks = natsMessage('{"stream":"bench","seq":1}') + 'PING\r\n' + natsMessage('{"stream":"bench","seq":22}');
  const stream = Buffer.from(`INFO {"a":1}\r\n${created}${acks}`);
  assert.deepEqual(countsOfAllCuts(openNats, stream), new Set([2]));
  const refusal = Buffer.from(natsMessage('{"error":{"code":503}}'));
  assert.throws(() => openNats().receive(refusal, refusal.length), /503/);
});

test('RabbitMQ: a confirm counts its ids, a publish error throws', () => {
  const confirms = Buffer.concat([
    rabbitFrame(0x03, ['01', '00000002', '0000000000000001', '0000000000000002'].join('')),
    rabbitFrame(0x17, ''),
    rabbitFrame(0x03, ['01', '00000001', '0000000000000003'].join('')),
  ]);
  assert.deepEqual(
    countsOfAllCuts(() => PEERS.rabbitmq.connect(0), confirms),
    new Set([3]),
  );
  const refusal = rabbitFrame(0x04, ['01', '00000001', '0000000000000009', '0012'].join(''));
  assert.throws(() => PEERS.rabbitmq.connect(0).receive(refusal, refusal.length), /code 18/);
});
