/**
 * The reference server of Durable Streams on its file store, in a process of its own: bench/streams.ts starts it. It is not a
 * dependency; its package lies in a scratch folder.
 *
 *   node bench/streams-reference.ts PACKAGE_FOLDER DATA_DIRECTORY
 */
import { createRequire } from 'node:module';
import path from 'node:path';

interface ReferenceServer {
  start(): Promise<string>;
}

const [folder = '', directory = ''] = process.argv.slice(2);
const { DurableStreamTestServer } = createRequire(path.join(folder, 'package.json'))('@durable-streams/server') as {
  DurableStreamTestServer: new (options: object) => ReferenceServer;
};
const url = await new DurableStreamTestServer({
  port: 0,
  host: '127.0.0.1',
  dataDir: directory,
  webhooks: false,
}).start();
process.stdout.write(`listening ${url}\n`);
process.once('SIGTERM', () => process.exit(0));
