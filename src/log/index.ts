/**
 * `millrace/log`: the storage engine alone, in a directory, without a network. Page: docs/log.md; an example that runs:
 * examples/log.ts.
 */
export { type ErrorCode, type ErrorKind, MillraceError } from '../base/errors.ts';
export { type Logger, silentLogger } from '../base/logger.ts';
export { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from '../broker/settings.ts';
export type { RecordHeader, RecordHeaderInput } from '../model/record.ts';
export { Log } from './log.ts';
export { type OpenLogOptions, openLog } from './open-log.ts';
export type * from './types.ts';
