/**
 * Connections that read into memory which is used again, plain and over TLS: bodies arrive byte for byte, also those that nobody reads
 * yet while more comes; what breaks off is an error; a server whose certificate nobody trusts is refused, and the error says so.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type CertificateFiles, makeCertificate } from '../../../test/kit/certificate.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { requireTool } from '../../../test/kit/tools.ts';
import { systemClock } from '../../base/clock.ts';
import { openStore } from '../open-store.ts';
import { ReadingAgent, readsAnswer, SecureReadingAgent } from './reading-agents.ts';

const OPTIONS = { timeout: 60_000 };
const KEYS = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK' };

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

interface Talk {
  /** Of the server, without a path. */
  readonly url: string;
  /** In PEM; undefined: it does not speak TLS. */
  readonly certificate: string | undefined;
  /**
   * The head of an answer, which begins no reading.
   *
   * @param came sees what the socket read, borrowed, once the parser has had it.
   */
  readonly get: (path: string, came?: (piece: Buffer, message: IncomingMessage) => void) => Promise<IncomingMessage>;
}

async function withServer(files: CertificateFiles | undefined, answer: Answer, use: (talk: Talk) => Promise<void>) {
  const listener = (request: IncomingMessage, response: ServerResponse): void => void answer(request, response);
  const certificate = files === undefined ? undefined : readFileSync(files.certificateFile, 'utf8');
  const server =
    files === undefined
      ? http.createServer(listener)
      : https.createServer({ cert: certificate, key: readFileSync(files.keyFile) }, listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `${files === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const agent =
    certificate === undefined
      ? new ReadingAgent({ keepAlive: true })
      : new SecureReadingAgent({ keepAlive: true, ca: certificate });
  const get: Talk['get'] = async (path, came = () => undefined) => {
    const request = (certificate === undefined ? http : https).get(`${url}${path}`, { agent });
    request.on('response', (message: IncomingMessage) => {
      readsAnswer(message);
      const { socket } = message;
      const see = (piece: Buffer): void => came(piece, message);
      socket.on('data', see);
      message.once('close', () => socket.off('data', see));
    });
    const [message] = (await once(request, 'response')) as [IncomingMessage];
    return message;
  };
  try {
    await use({ url, certificate, get });
  } finally {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  }
}

/** No two places of it, four bytes apart, hold the same. */
function distinctBytes(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE(at, at);
  return bytes;
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const copies: Buffer[] = [];
  // A piece is borrowed for the call.
  message.on('data', (piece: Buffer) => copies.push(Buffer.from(piece)));
  await once(message, 'end');
  return Buffer.concat(copies);
}

function withAndWithoutTls(name: string, run: (files: CertificateFiles | undefined) => Promise<void>): void {
  test(`${name}, plain`, OPTIONS, () => run(undefined));
  test(`${name}, over TLS`, OPTIONS, (t) => withCertificate(t, run));
}

async function withCertificate(t: TestContext, run: (files: CertificateFiles) => Promise<void>): Promise<void> {
  if (requireTool(t, 'openssl') === undefined) return;
  using directory = new TempDirectory();
  await run(makeCertificate(directory.path));
}

withAndWithoutTls('bodies come byte for byte over one connection, into the same memory', async (files) => {
  const body = distinctBytes(5_000_000);
  const ports = new Set<number | undefined>();
  const memory = new Set<ArrayBufferLike>();
  const answer: Answer = (request, response) => {
    ports.add(request.socket.remotePort);
    response.end(body.subarray(Number(request.url?.slice(1))));
  };
  await withServer(files, answer, async ({ get }) => {
    for (let from = 0; from < 4; from++) {
      const message = await get(`/${from}`, ({ buffer }) => memory.add(buffer));
      assert.ok(body.subarray(from).equals(await read(message)));
      // The connection is given back in a later turn.
      await nextTurn();
    }
  });
  assert.equal(ports.size, 1);
  assert.ok([...memory].every(({ byteLength }) => byteLength === 256 * 1024));
  // What came of an answer with its head was kept for its reader.
  assert.ok(memory.size <= 5, `${memory.size} pieces of memory`);
});

withAndWithoutTls('what nobody has asked for yet is not overwritten by what comes after it', async (files) => {
  const body = distinctBytes(2_000_000);
  const answer: Answer = async (_, response) => {
    // So that it is not read at once.
    for (let at = 0; at < body.length; at += 10_000) {
      if (!response.write(body.subarray(at, at + 10_000))) await once(response, 'drain');
      await nextTurn();
    }
    response.end();
  };
  await withServer(files, answer, async ({ get }) => {
    // Node's parser copies bodies as of now: what it was given is looked at, too.
    const unread: { readonly piece: Buffer; readonly copy: Buffer }[] = [];
    const message = await get('/', (piece, { readableLength }) => {
      if (readableLength > 0) unread.push({ piece, copy: Buffer.from(piece) });
    });
    while (message.readableLength < message.readableHighWaterMark) await nextTurn();
    assert.ok(unread.length > 1, `${unread.length} pieces came`);
    assert.ok(unread.every(({ piece, copy }) => piece.equals(copy)));
    assert.ok(body.equals(await read(message)));
    assert.ok(body.equals(await read(await get('/'))), 'the connection serves the next request as well');
  });
});

const breakOff: Answer = (request, response) => {
  response.writeHead(200, { 'content-length': 3_000_000 });
  response.write(Buffer.alloc(2_000_000), () => request.socket.destroy());
};

withAndWithoutTls('a body that breaks off is an error', async (files) => {
  await withServer(files, breakOff, async ({ get }) => {
    const message = await get('/');
    await assert.rejects(read(message), { code: 'ECONNRESET' });
  });
});

test(
  's3 over https: objects go and come whole where the certificate is trusted; elsewhere it is the reason given',
  OPTIONS,
  async (t) => {
    await withCertificate(t, async (files) => {
      const objects = new Map<string | undefined, Buffer>();
      const answer: Answer = async (request, response) => {
        if (request.method !== 'PUT') return void response.end(objects.get(request.url));
        const pieces: Buffer[] = [];
        for await (const piece of request) pieces.push(piece as Buffer);
        objects.set(request.url, Buffer.concat(pieces));
        response.end();
      };
      await withServer(files, answer, async ({ url, certificate }) => {
        const store = openStore(`s3://bucket?endpoint=${url}`, systemClock, KEYS);
        await assert.rejects(store.get('a'), {
          code: 'TIER_UNAVAILABLE',
          message: /no answer: .*self-signed certificate/,
        });
        assert.equal(objects.size, 0);
        const before = getCACertificates('default');
        setDefaultCACertificates([...before, certificate ?? '']);
        try {
          const body = distinctBytes(3_000_000);
          assert.equal(await store.put('a', body), 'stored');
          assert.ok(body.equals((await store.get('a')) ?? new Uint8Array()));
        } finally {
          setDefaultCACertificates(before);
        }
      });
    });
  },
);
