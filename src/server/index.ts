/**
 * `millrace/broker`: a broker inside a program of your own, with its listeners (`openBroker` in one call, `startServer` with
 * all settings) or without (`Broker`).
 * An example that runs: examples/embed.ts.
 */
export { systemClock } from '../base/clock.ts';
export { type ErrorCode, type ErrorKind, MillraceError } from '../base/errors.ts';
export { type Logger, silentLogger } from '../base/logger.ts';
export { Broker } from '../broker/broker.ts';
export type { BrokerOptions } from '../broker/broker-options.ts';
export { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from '../broker/settings.ts';
export { NodeDisk } from '../journal/node-disk.ts';
export { formatRecordPlace, PARENT_HEADER, parseRecordPlace, type RecordPlace } from '../model/headers.ts';
export type { Address } from './address.ts';
export { brokerSettings, DEFAULT_SERVER_CONFIG, type ServerConfig } from './config.ts';
export { createLogger } from './logger.ts';
export { type OpenBrokerOptions, type OpenedBroker, openBroker } from './open-broker.ts';
export { type Server, type ServerParts, startServer } from './start-server.ts';
