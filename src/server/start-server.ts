/**
 * The composition root: the real disk, a broker on it, its listeners.
 *
 * Start: broker (lock, recovery), Kafka listener, HTTP listener; the last answers `/health/ready`, so whoever hears it
 * ready finds all the rest. Stop: listeners first (no new requests, what waits is answered), then the broker (what is
 * staged is synced, the directory is released). What was started is closed again when a later part cannot start.
 */
import path from 'node:path';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { Broker } from '../broker/broker.ts';
import type { MasterKeys } from '../journal/encryption/master-keys.ts';
import { NodeDisk } from '../journal/node-disk.ts';
import { HttpCounters } from '../listeners/http/counters.ts';
import { HttpListener } from '../listeners/http/listener.ts';
import { KafkaListener } from '../listeners/kafka/listener.ts';
import { loadHandlers } from '../listeners/kafka/registry.ts';
import { WebSocketCounters } from '../listeners/ws/counters.ts';
import { WebSocketListener } from '../listeners/ws/listener.ts';
import { type Address, formatAddress, listenError } from './address.ts';
import { type CloseStep, closeAll } from './close-all.ts';
import type { ServerConfig } from './config.ts';
import { MeteredDisk } from './metered-disk.ts';
import { Metrics } from './metrics/metrics.ts';
import { packageVersion } from './package-version.ts';
import type { TierStarter } from './tier/start-tier.ts';

/** What whoever waits for the start need not wait for. */
const LATER_LOAD_DELAY_MS = 600;

/** What a server gets from outside: time, and where to log. */
export interface ServerParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A broker with its listeners, running. */
export interface Server {
  /** Where the listeners really are: a configured port 0 is replaced by the one that the system chose. */
  readonly kafkaAddress: Address;
  /** All of them, in the order of the configuration; the first is `kafkaAddress`. */
  readonly kafkaAddresses: readonly Address[];
  readonly httpAddress: Address;
  readonly broker: Broker;
  /** Stops intake, drains, syncs, releases. Safe to call twice. @throws AggregateError with all that failed. */
  close(): Promise<void>;
}

/**
 * Starts a broker with its listeners; ready when it resolves.
 *
 * @throws MillraceError CONFIG_INVALID (an address that cannot be listened on), and what `Broker.open` throws:
 *   JOURNAL_LOCKED, JOURNAL_CORRUPT and others. Nothing stays open then.
 */
export async function startServer(config: ServerConfig, { clock, logger }: ServerParts): Promise<Server> {
  const startedAt = clock.monotonic();
  const directory = path.resolve(config.dataDirectory);
  const steps: CloseStep[] = [];
  try {
    const disk = new MeteredDisk(new NodeDisk(), clock);
    const startTier = await tierOf(directory, config.broker.tierStore);
    const masterKeys = await masterKeysOf(config.broker.encryptionKeySource);
    const settings = config.broker;
    const broker = await Broker.open({ directory, disk, clock, logger, settings, startTier, masterKeys });
    steps.unshift({ name: 'broker', close: () => broker.close() });
    const [first, ...others] = config.kafka;
    assert(first !== undefined, 'there is an address for Kafka clients');
    const kafka = await listen('--kafka', config.kafka, () =>
      KafkaListener.start({ broker, ...first, others, clock, logger }),
    );
    steps.unshift({ name: 'Kafka listener', close: () => kafka.stop() });
    const counters = new HttpCounters();
    const webSockets = new WebSocketCounters();
    const sources = {
      broker,
      transactions: broker.transactions,
      messageIds: broker.messageIds,
      disk: disk.counters,
      kafka: kafka.metrics,
      http: counters,
      webSocket: webSockets,
    };
    const metrics = new Metrics(async () => (await import('./metrics/metric-tables.ts')).bindAllMetrics(sources));
    const http = await listen('--http', [config.http], () =>
      HttpListener.start({
        broker,
        ...config.http,
        clock,
        logger,
        counters,
        metrics,
        otherClients: () => kafka.clients(),
        version: packageVersion(),
        settings: { corsOrigins: config.corsOrigins },
      }),
    );
    steps.unshift({ name: 'HTTP listener', close: () => http.stop() });
    const ws = WebSocketListener.attach(http, { clock, counters: webSockets });
    steps.unshift({ name: 'WebSocket listener', close: () => ws.stop() });
    const loading = clock.schedule(LATER_LOAD_DELAY_MS, () => {
      loadRest(metrics).catch((error: unknown) => logger.error(String(error)));
    });
    steps.unshift({ name: 'later modules', close: async () => loading.cancel() });
    logger.info('ready', {
      kafka: kafka.addresses.map(formatAddress).join(','),
      http: formatAddress(http.address),
      data: directory,
      topics: broker.topics.size,
      startMs: Math.round(clock.monotonic() - startedAt),
    });
    let closed: Promise<void> | undefined;
    const close = (): Promise<void> => (closed ??= closeAll(steps));
    return { kafkaAddress: kafka.address, kafkaAddresses: kafka.addresses, httpAddress: http.address, broker, close };
  } catch (error) {
    await closeAfterFailedStart(steps, logger);
    throw error;
  }
}

/**
 * A broker runs for months, and its package may be replaced meanwhile: what a start does without is loaded soon after, and not from
 * another version on some later day.
 */
async function loadRest(metrics: Metrics): Promise<void> {
  await metrics.load();
  await loadHandlers();
  await WebSocketListener.load();
}

/** What only few brokers use is loaded where it is. */
async function tierOf(directory: string, store: string): Promise<TierStarter | undefined> {
  if (store === '') return undefined;
  const { tierStarter } = await import('./tier/start-tier.ts');
  return tierStarter({ directory, store });
}

async function masterKeysOf(source: string): Promise<MasterKeys | undefined> {
  if (source === '') return undefined;
  const { readMasterKeys } = await import('./encryption/master-key-source.ts');
  return await readMasterKeys(source, process.env);
}

async function listen<T>(setting: string, addresses: readonly Address[], start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    throw listenError(setting, failedOf(addresses, error), error);
  }
}

/** The address that the system's error is about. */
function failedOf(addresses: readonly Address[], error: unknown): Address {
  const { address, hostname, port } = error as { address?: string; hostname?: string; port?: number };
  const host = address ?? hostname;
  const failed = addresses.find((each) => each.host === host && (port === undefined || each.port === port));
  return failed ?? (addresses[0] as Address);
}

/** The reason for the failed start matters more than a failure to clean up after it, so that one only goes to the log. */
async function closeAfterFailedStart(steps: readonly CloseStep[], logger: Logger): Promise<void> {
  await closeAll(steps).catch((error: unknown) => logger.error(String(error)));
}
