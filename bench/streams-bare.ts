/**
 * Answers the requests that write streams as the Durable Streams protocol asks, and keeps nothing: what the benchmark's client
 * itself can do. bench/streams.ts starts it.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const STATUS: Readonly<Record<string, number>> = { PUT: 201, POST: 204, DELETE: 204 };

const server = http.createServer((request, response) => {
  let sizeBytes = 0;
  request.on('data', (piece: Buffer) => {
    sizeBytes += piece.length;
  });
  request.on('end', () => {
    const status = STATUS[request.method ?? ''] ?? 405;
    const type = request.headers['content-type'] ?? 'application/octet-stream';
    response.writeHead(status, {
      'stream-next-offset': String(sizeBytes),
      ...(status === 201 ? { 'content-type': type } : {}),
    });
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.once('SIGTERM', () => process.exit(0));
