// An HTTP server that turns requests into records and answers when they are safe: 202 is a promise. In an installed package the
// import is 'millrace'.
//
//   node examples/sdk-gateway.ts kafka://127.0.0.1:9092/measurements 8080
//   curl -d '{"celsius":21.5}' http://127.0.0.1:8080/kitchen

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as bodyOf } from 'node:stream/consumers';
import { connect, json, MillraceError } from '../src/sdk/index.ts';

const [uri = '', port = '8080'] = process.argv.slice(2);
const client = await connect(uri);
const producer = await client.producer({
  value: json<unknown>(),
  // One sync serves all requests of the last two milliseconds, and a full buffer is told at once instead of piling up.
  lingerMs: 2,
  whenFull: 'fail',
});

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = (status: number, body: object): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  try {
    const value: unknown = await bodyOf(request);
    const key = decodeURIComponent((request.url ?? '/').slice(1));
    const { partition, offset } = await producer.send({ key, value });
    reply(202, { partition, offset: Number(offset) });
  } catch (error) {
    if (error instanceof SyntaxError) reply(400, { error: 'The body is no JSON.' });
    else if (error instanceof MillraceError) reply(error.kind === 'retry' ? 503 : 400, { code: error.code });
    else reply(500, { error: String(error) });
  }
}

server.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}`);
});

process.once('SIGTERM', () => {
  // Requests that are in work are answered, then the producer flushes.
  server.close(() => void client.close());
});
