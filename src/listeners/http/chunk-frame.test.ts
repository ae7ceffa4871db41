/**
 * Proves that what goes to a socket past node's own chunks is what HTTP asks for: for clients of HTTP/1.1, of HTTP/1.0, of
 * requests that were sent ahead, and for one that stops reading.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { HttpKit, rawExchange, until } from '../../../test/kit/http-kit.ts';
import { CHUNK_HEAD_BYTES, CHUNK_TAIL, frameChunk } from './chunk-frame.ts';

const OPTIONS = { timeout: 60_000 } as const;
const SUBSCRIBE = '/v1/subscribe?match=a/**&follow=true&cursor=earliest&format=json';

test('a chunk of any size', () => {
  for (const size of [1, 9, 10, 15, 16, 255, 256, 65_535, 65_536, 1_048_577]) {
    const content = Buffer.alloc(size, 'x');
    const room = Buffer.concat([Buffer.alloc(CHUNK_HEAD_BYTES, '?'), content, Buffer.from(CHUNK_TAIL)]);
    assert.equal(frameChunk(room).toString(), `${size.toString(16)}\r\n${content.toString()}\r\n`);
  }
});

async function withRecords(count: number, valueBytes: number): Promise<HttpKit> {
  const kit = await HttpKit.start();
  for (let i = 0; i < count; i++) {
    const answer = await kit.post(`/v1/topics/a.${i % 3}/records`, [{ value: `${i} ${'v'.repeat(valueBytes)}` }]);
    assert.equal(answer.status, 200);
  }
  return kit;
}

function numbersIn(lines: string): number[] {
  return [...lines.matchAll(/"value":"(\d+) /g)].map((match) => Number(match[1]));
}

/** @throws where it is not chunks with an end. */
function unchunked(body: string): string {
  let content = '';
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, lineEnd), 16);
    assert.ok(lineEnd > 0 && size >= 0, body.slice(at, at + 40));
    if (size === 0) {
      assert.equal(body.slice(lineEnd), '\r\n\r\n');
      return content;
    }
    content += body.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size;
    assert.equal(body.slice(at, at + 2), '\r\n');
    at += 2;
  }
}

test('chunks for HTTP/1.1, none for HTTP/1.0', OPTIONS, async () => {
  await using kit = await withRecords(12, 2_000);
  const ask = (version: string): Promise<string> =>
    rawExchange(kit.port, [`GET ${SUBSCRIBE}&limit=12 HTTP/${version}\r\nHost: h\r\nConnection: close\r\n\r\n`]);
  const expected = Array.from({ length: 12 }, (_, i) => i);
  const [head = '', body = ''] = (await ask('1.1')).split(/\r\n\r\n(.*)/s);
  assert.match(head, /\r\ntransfer-encoding: chunked/i);
  assert.deepEqual(numbersIn(unchunked(body)), expected);
  const [oldHead = '', oldBody = ''] = (await ask('1.0')).split(/\r\n\r\n(.*)/s);
  assert.doesNotMatch(oldHead, /transfer-encoding/i);
  assert.match(oldBody, /^\{"cursor":/);
  assert.deepEqual(numbersIn(oldBody), expected);
  await kit.idle();
});

test('requests that were sent ahead are answered in order', OPTIONS, async () => {
  await using kit = await withRecords(6, 500);
  const request = `GET ${SUBSCRIBE}&limit=6 HTTP/1.1\r\nHost: h\r\n`;
  const text = await rawExchange(kit.port, [`${request}\r\n${request}\r\n${request}Connection: close\r\n\r\n`]);
  const answers = text.split('HTTP/1.1 200 OK\r\n').slice(1);
  assert.equal(answers.length, 3);
  for (const answer of answers) {
    assert.deepEqual(numbersIn(unchunked(answer.slice(answer.indexOf('\r\n\r\n') + 4))), [0, 1, 2, 3, 4, 5]);
  }
  await kit.idle();
});

test('a subscriber that stops reading holds little, and loses nothing when it goes on', OPTIONS, async () => {
  await using kit = await withRecords(40, 900_000);
  const socket = net.connect(kit.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`GET ${SUBSCRIBE}&limit=40 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
  socket.pause();
  await until(() => (kit.held()['answers'] ?? 0) > 0);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.resume();
  await once(socket, 'close');
  const text = Buffer.concat(pieces).toString();
  const body = unchunked(text.slice(text.indexOf('\r\n\r\n') + 4));
  assert.deepEqual(
    numbersIn(body),
    Array.from({ length: 40 }, (_, i) => i),
  );
  await kit.idle();
});
