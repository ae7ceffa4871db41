// A broker inside a program of your own. In an installed package the import is 'millrace/broker'.
//
//   node examples/embed.ts ./data

import { DEFAULT_SERVER_CONFIG, silentLogger, startServer, systemClock } from '../src/server/index.ts';

const [dataDirectory = './data'] = process.argv.slice(2);
const anyPort = { host: '127.0.0.1', port: 0 };

const server = await startServer(
  { ...DEFAULT_SERVER_CONFIG, dataDirectory, kafka: [{ name: 'kafka', ...anyPort }], http: anyPort },
  { clock: systemClock, logger: silentLogger },
);
const { host, port } = server.httpAddress;
const health = await fetch(`http://${host}:${port}/health/ready`);
console.log(await health.json());
await server.close();
