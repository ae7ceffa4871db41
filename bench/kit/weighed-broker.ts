/**
 * A whole broker in a process of its own that says what it weighs. Arguments: data directory. Run with `--expose-gc`.
 * Says `{ port }` of HTTP when it listens; answers each message with `{ rssBytes, keptBytes }`: resident memory as it is,
 * and once what nobody holds any more has been given back.
 */
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { DEFAULT_SERVER_CONFIG } from '../../src/server/config.ts';
import { startServer } from '../../src/server/start-server.ts';

export interface Weight {
  readonly rssBytes: number;
  readonly keptBytes: number;
}

const [dataDirectory = ''] = process.argv.slice(2);
const loopback = { host: '127.0.0.1', port: 0 };
const config = { ...DEFAULT_SERVER_CONFIG, dataDirectory, kafka: [{ name: 'kafka', ...loopback }], http: loopback };
const { httpAddress } = await startServer(config, { clock: systemClock, logger: silentLogger });
process.on('message', () => {
  const rssBytes = process.memoryUsage.rss();
  globalThis.gc?.();
  const weight: Weight = { rssBytes, keptBytes: process.memoryUsage.rss() };
  process.send?.(weight);
});
process.send?.({ port: httpAddress.port });
