/** `millrace serve`: a broker in the foreground, until a signal ends it. */
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { HeapBound } from '../base/heap-bound.ts';
import { minorCollections } from '../base/minor-collections.ts';
import { formatAddress, parseAddress } from '../server/address.ts';
import { brokerSettings, DEFAULT_SERVER_CONFIG, SETTINGS, type ServerConfig } from '../server/config.ts';
import { parseCorsOrigins } from '../server/cors-origins.ts';
import { parseKafkaEndpoints } from '../server/kafka-endpoints.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../server/logger.ts';
import { closeOnSignal } from '../server/signals.ts';
import { startServer } from '../server/start-server.ts';
import { UsageError } from './failure.ts';
import { assignment, collect, oneOf } from './options.ts';

export interface ServeOptions {
  readonly data: string;
  readonly kafka: string;
  readonly http: string;
  readonly cors?: string;
  readonly advertise?: string;
  readonly sync?: string;
  readonly set?: readonly string[];
  readonly logLevel: LogLevel;
}

const EXAMPLES = `
Examples:
  $ millrace serve
  $ millrace serve --data /var/lib/millrace --kafka 0.0.0.0:9092 --http 0.0.0.0:7123
  $ millrace serve --kafka internal://10.0.0.5:9092,external://0.0.0.0:9093 --advertise external://kafka.example.org:9093
  $ millrace serve --sync interval --set num.partitions=6

There is no authentication yet: listen on other addresses than 127.0.0.1 only where you trust the network.
SIGTERM and SIGINT stop it gracefully, a second one at once.`;

export function register(program: Command): void {
  withServeOptions(
    program.command('serve').description('run a broker: Kafka protocol and HTTP over one durable journal'),
  )
    .addHelpText('after', EXAMPLES)
    .addHelpText('after', settingsHelp())
    .action(serve);
}

/** Options that `serve` and `demo` share. */
export function withServeOptions(command: Command): Command {
  const defaults = DEFAULT_SERVER_CONFIG;
  return command
    .option('--data <directory>', 'where the journal is kept', defaults.dataDirectory)
    .option(
      '--kafka <[name://]host:port,...>',
      'address for Kafka clients, or several with names',
      defaults.kafka.map(formatAddress).join(','),
    )
    .option(
      '--advertise <[name://]host:port,...>',
      'address that Kafka clients are told to use, for some or all of those (default: the one they used)',
    )
    .option('--http <host:port>', 'address for HTTP', formatAddress(defaults.http))
    .option('--cors <origin,...>', 'origins whose pages may call over HTTP, or * for all (default: none)')
    .option(
      '--sync <policy>',
      'sync records to stable storage always, at an interval, or never (journal.sync)',
      oneOf('--sync', ['always', 'interval', 'never']),
    )
    .option('--set <name=value>', 'any setting below; may be repeated', collect)
    .option('--log-level <level>', LOG_LEVELS.join(', '), oneOf('--log-level', LOG_LEVELS), 'info');
}

async function serve(options: ServeOptions): Promise<void> {
  minorCollections.allow();
  new HeapBound().begin(systemClock);
  const logger = createLogger(options.logLevel);
  await closeOnSignal(startServer(serverConfig(options), { clock: systemClock, logger }), logger);
}

/** @throws UsageError: what is wrong here was typed into the command line. */
export function serverConfig(options: ServeOptions): ServerConfig {
  const assignments = (options.set ?? []).map((text) => assignment('--set', text));
  if (options.sync !== undefined) assignments.push(['journal.sync', options.sync]);
  try {
    return {
      dataDirectory: options.data,
      kafka: parseKafkaEndpoints(options.kafka, options.advertise),
      http: parseAddress('--http', options.http),
      corsOrigins: options.cors === undefined ? [] : parseCorsOrigins(options.cors),
      broker: brokerSettings(assignments),
    };
  } catch (error) {
    throw error instanceof MillraceError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** What `--set` takes. */
export function settingsHelp(): string {
  const rows = SETTINGS.map(({ name, key, documentation }) => {
    return `  ${name}=${DEFAULT_SERVER_CONFIG.broker[key]}\n      ${documentation}`;
  });
  return `\nSettings (--set), with their defaults:\n${rows.join('\n')}`;
}
