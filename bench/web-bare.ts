/**
 * What bench/web.ts measures against: a fastify route that parses the same JSON, and a `ws` echo, in a process of its own.
 *
 *   node bench/web-bare.ts
 */
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { WebSocketServer } from 'ws';

const app = fastify({ logger: false, bodyLimit: 8 * 1024 * 1024 });
app.post('/json', (request, reply) => {
  const { value } = request.body as { value: unknown };
  return reply.send({ count: value === undefined ? 0 : 1 });
});
await app.listen({ host: '127.0.0.1', port: 0 });
const echo = new WebSocketServer({ server: app.server, perMessageDeflate: false });
// As long as an acknowledgement.
const answer = Buffer.alloc(8, 1);
echo.on('connection', (socket) => socket.on('message', () => socket.send(answer)));
process.stdout.write(`listening ${(app.server.address() as AddressInfo).port}\n`);
