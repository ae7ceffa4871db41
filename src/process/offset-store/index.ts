/** `millrace/process`: positions in the program's own database. */
export { type IntoOptions, into } from './into.ts';
export type { OffsetStore, PositionMove, StoredPosition } from './offset-store.ts';
export { type PostgresClient, type PostgresOptions, type PostgresPool, postgresOffsets } from './postgres.ts';
export { type SqliteOptions, sqliteOffsets } from './sqlite.ts';
