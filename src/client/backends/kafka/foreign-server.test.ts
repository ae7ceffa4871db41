/** kafka:// to a server that is none: what is there is said, and soon; a broker that is slow to answer is waited for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { systemClock } from '../../../base/clock.ts';
import { connect } from '../../../sdk/index.ts';
import { foreignServer } from './foreign-server.ts';

const OPTIONS = { timeout: 60_000 };
const HTTP = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n';

async function withServer(
  answer: (socket: Socket, request: Buffer) => unknown,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (request: Buffer) => answer(socket, request));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

test('a server that speaks something else is named with what it says', OPTIONS, async () => {
  for (const [said, shown] of [
    [
      "-ERR unknown command '.', with args beginning with: \r\n",
      `"-ERR unknown command '.', with args beginning with: "`,
    ],
    [HTTP, '"HTTP/1.1 400 Bad Request"'],
    [Buffer.from('80ff0300020228ff', 'hex'), '0x80ff0300020228ff'],
  ] as const) {
    await withServer(
      (socket) => socket.write(said),
      async (port) => {
        await assert.rejects(connect(`kafka://127.0.0.1:${port}/t`), {
          code: 'CLIENT_NETWORK',
          message: `No Kafka broker: 127.0.0.1:${port} answers ${shown}.`,
        });
      },
    );
  }
});

test('one that says nothing is waited for as long as for a connection', OPTIONS, async () => {
  await withServer(
    () => undefined,
    async (port) => {
      await assert.rejects(connect(`kafka://127.0.0.1:${port}/t`, { library: { connectTimeout: 200 } }), {
        code: 'CLIENT_NETWORK',
        message: `No Kafka broker: 127.0.0.1:${port} takes connections and answers nothing in 200 ms.`,
      });
    },
  );
});

function answerAsBroker(socket: Socket, request: Buffer): void {
  const head = Buffer.concat([Buffer.from([0, 0, 0, 6]), request.subarray(8, 12), Buffer.alloc(2)]);
  // In two pieces.
  socket.write(head.subarray(0, 5));
  setImmediate(() => socket.write(head.subarray(5)));
}

test('a broker, and one that cannot be reached or closes, are none of that', OPTIONS, async () => {
  await withServer(answerAsBroker, async (port) => {
    const broker = { host: '127.0.0.1', port };
    assert.equal(await foreignServer([broker], new ManualClock(), 1), undefined);
    await withServer(
      (socket) => socket.end(HTTP),
      async (foreign) => {
        const other = { host: '127.0.0.1', port: foreign };
        assert.match((await foreignServer([other], systemClock, 30_000)) ?? '', /HTTP/);
        assert.equal(await foreignServer([other, broker], systemClock, 30_000), undefined);
      },
    );
  });
  assert.equal(await foreignServer([{ host: '127.0.0.1', port: 2 }], systemClock, 30_000), undefined);
  await withServer(
    (socket) => socket.end(),
    async (port) => assert.equal(await foreignServer([{ host: '127.0.0.1', port }], systemClock, 30_000), undefined),
  );
});
