/** Answers over kept connections: whole, cut, late, too long; what breaks off is told to its reader alone. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { HttpCalls } from './http-calls.ts';

const DEADLINE = { timeout: 60_000 };

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
  use: (url: URL, calls: HttpCalls) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a`), new HttpCalls());
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const GET = { method: 'GET', headers: {}, timeoutMs: 30_000 } as const;

test('a body goes out with its length, answers come back whole, over one connection', DEADLINE, async () => {
  const ports = new Set<number | undefined>();
  await withServer(
    async (request, response) => {
      ports.add(request.socket.remotePort);
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      response.setHeader('x-length', request.headers['content-length'] ?? 'none');
      response.writeHead(request.method === 'PUT' ? 201 : 200).end(Buffer.concat(pieces));
    },
    async (url, calls) => {
      const body = Buffer.alloc(3_000_000, 'abc');
      for (let i = 0; i < 5; i++) {
        const answer = await calls.call({ ...GET, method: 'PUT', url, body: [body.subarray(0, 7), body.subarray(7)] });
        assert.deepEqual([answer.status, answer.ok, answer.headers['x-length']], [201, true, '3000000']);
        const into = new Uint8Array(3_000_000);
        assert.equal(await answer.readInto(into), 3_000_000);
        assert.ok(body.equals(into));
      }
      assert.equal(await (await calls.call({ ...GET, url })).text(), '');
    },
  );
  assert.equal(ports.size, 1);
});

test('a redirect is an answer; more than was asked for is not read', DEADLINE, async () => {
  await withServer(
    (request, response) => {
      if (request.url === '/a') return void response.writeHead(307, { location: '/b' }).end('there');
      response.writeHead(200);
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
      };
      response.on('drain', write);
      write();
    },
    async (url, calls) => {
      const moved = await calls.call({ ...GET, url });
      assert.deepEqual([moved.status, moved.ok, await moved.text()], [307, false, 'there']);
      const endless = await calls.call({ ...GET, url: new URL('/b', url) });
      assert.ok((await endless.readInto(new Uint8Array(100_000))) > 100_000);
      await assert.rejects((await calls.call({ ...GET, url: new URL('/b', url) })).text(), /bytes of text/);
    },
  );
});

test('what breaks off or comes late is told to whoever reads it', DEADLINE, async () => {
  let mode: 'cut' | 'silent' | 'slow' | 'reset' = 'cut';
  await withServer(
    (request, response) => {
      if (mode === 'reset') return void request.socket.destroy();
      if (mode === 'silent') return;
      response.writeHead(200, { 'content-length': 1_000 });
      response.write(Buffer.alloc(500));
      if (mode === 'cut') setImmediate(() => request.socket.destroy());
    },
    async (url, calls) => {
      await assert.rejects(async () => await (await calls.call({ ...GET, url })).readInto(new Uint8Array(1_000)));
      mode = 'reset';
      await assert.rejects(calls.call({ ...GET, url }));
      mode = 'silent';
      await assert.rejects(calls.call({ ...GET, url, timeoutMs: 50 }), { name: 'AbortError' });
      mode = 'slow';
      const slow = await calls.call({ ...GET, url, timeoutMs: 200 });
      await assert.rejects(slow.bytes());
      // Nobody reads it: nobody is told.
      await calls.call({ ...GET, url, timeoutMs: 50 });
      await new Promise<void>((resolve) => setTimeout(resolve, 100));
    },
  );
});

test(
  'what comes before anybody reads it is there for who does, whole, with others on the same connections',
  DEADLINE,
  async () => {
    const body = Buffer.alloc(1_500_000);
    for (let at = 0; at < body.length; at += 4) body.writeUInt32LE(at, at);
    const bodyOf = (url: string | undefined): Buffer => body.subarray(Number(url?.slice(1)));
    await withServer(
      (request, response) => {
        const whole = bodyOf(request.url);
        // With and without a length.
        if (whole.length % 2 === 0) response.setHeader('content-length', whole.length);
        response.write(whole.subarray(0, 70_000));
        setImmediate(() => response.end(whole.subarray(70_000)));
      },
      async (url, calls) => {
        const read = async (from: number): Promise<void> => {
          const answer = await calls.call({ ...GET, url: new URL(`/${from}`, url) });
          if (from % 3 === 0) await new Promise<void>((resolve) => setTimeout(resolve, 20));
          const into = new Uint8Array(new SharedArrayBuffer(body.length - from));
          if (from % 5 === 0) into.set(await answer.bytes());
          else assert.equal(await answer.readInto(into), into.length);
          assert.ok(bodyOf(`/${from}`).equals(into));
        };
        for (let round = 0; round < 5; round++) {
          await Promise.all(Array.from({ length: 6 }, (_, i) => read(round * 6 + i)));
        }
      },
    );
  },
);

// Nobody was told, not even when the time was over: what waited for the object waited for ever.
test('a server that changes the protocol unasked is an error', DEADLINE, async () => {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a`);
  await assert.rejects(new HttpCalls().call({ ...GET, url }), /without an answer/);
  server.close();
});

// The memory of a chunk is used again when its put has failed: the server got the next chunk's bytes as the end of this one.
test('nothing is sent any more once an answer that came early is read', DEADLINE, async () => {
  const memory = new Uint8Array(new SharedArrayBuffer(64 * 1024 * 1024)).fill(1);
  const closed = Promise.withResolvers<void>();
  let foreign = 0;
  await withServer(
    (request, response) => {
      response.writeHead(503).end();
      request.on('data', (piece: Buffer) => {
        foreign += piece.includes(2) ? 1 : 0;
      });
      request.pause();
      setTimeout(() => request.resume(), 200);
      request.socket.on('close', closed.resolve);
      request.on('error', () => undefined);
    },
    async (url, calls) => {
      const answer = await calls.call({ ...GET, method: 'PUT', url, body: [memory] });
      assert.equal(answer.status, 503);
      await answer.text();
      memory.fill(2);
      await closed.promise;
    },
  );
  assert.equal(foreign, 0);
});
