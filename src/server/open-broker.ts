/**
 * A broker in one call, for programs that bring their own and for tests: real journal, real Kafka and HTTP listeners, on
 * ports that the system chooses.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { Broker } from '../broker/broker.ts';
import type { BrokerSettings } from '../broker/settings.ts';
import { formatAddress } from './address.ts';
import { DEFAULT_SERVER_CONFIG } from './config.ts';
import { startServer } from './start-server.ts';

/** Options of `openBroker`. */
export interface OpenBrokerOptions {
  /** Data directory, made where it is missing. Left out: one of its own, removed on close. */
  readonly dir?: string | undefined;
  readonly settings?: Partial<BrokerSettings> | undefined;
  /** Origins whose pages may call over HTTP; `*` for all. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
}

/** A broker that runs in this process, and how to reach it. */
export interface OpenedBroker extends AsyncDisposable {
  /** For `connect()` of the SDK: `kafka://127.0.0.1:PORT`. */
  readonly uri: string;
  /** HOST:PORT, for any Kafka client. */
  readonly kafka: string;
  /** `http://127.0.0.1:PORT`. */
  readonly http: string;
  readonly broker: Broker;
  /** Stops intake, drains, syncs, gives the directory back. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts a broker; ready when it resolves.
 *
 * ```ts
 * await using broker = await openBroker({ dir: './data' });
 * await using client = await connect(broker.uri);
 * ```
 *
 * @throws MillraceError as `startServer`: JOURNAL_LOCKED where another process has the directory, JOURNAL_CORRUPT...
 */
export async function openBroker(options: OpenBrokerOptions = {}): Promise<OpenedBroker> {
  const own = options.dir === undefined ? await mkdtemp(path.join(tmpdir(), 'millrace-broker-')) : undefined;
  const remove = async (): Promise<void> => {
    if (own !== undefined) await rm(own, { recursive: true, force: true });
  };
  const anyPort = { host: '127.0.0.1', port: 0 };
  const { clock = systemClock, logger = silentLogger } = options;
  const config = {
    ...DEFAULT_SERVER_CONFIG,
    dataDirectory: options.dir ?? own ?? '',
    kafka: [{ name: 'kafka', ...anyPort }],
    http: anyPort,
    corsOrigins: options.corsOrigins ?? [],
    broker: { ...DEFAULT_SERVER_CONFIG.broker, ...options.settings },
  };
  try {
    const server = await startServer(config, { clock, logger });
    const kafka = formatAddress(server.kafkaAddress);
    let closed: Promise<void> | undefined;
    const close = (): Promise<void> => (closed ??= closeAndRemove(() => server.close(), remove));
    return {
      uri: `kafka://${kafka}`,
      kafka,
      http: `http://${formatAddress(server.httpAddress)}`,
      broker: server.broker,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function closeAndRemove(close: () => Promise<void>, remove: () => Promise<void>): Promise<void> {
  try {
    await close();
  } finally {
    await remove();
  }
}
