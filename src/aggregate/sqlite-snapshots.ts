/** Snapshots in SQLite, through node:sqlite: one row a stream and version. */
import type { DatabaseSync } from 'node:sqlite';
import { type Codec, decodePart, encodePart, MillraceError } from '../client/internal.ts';
import type { SnapshotStore } from './snapshot-store.ts';

/** Options of `sqliteSnapshots`. */
export interface SqliteSnapshotOptions<State> {
  readonly state: Codec<State>;
  /** Default `millrace_snapshots`. */
  readonly table?: string | undefined;
}

/**
 * Keeps snapshots in a database of the program.
 *
 * ```ts
 * aggregates(client, { snapshots: sqliteSnapshots(new DatabaseSync('accounts.db'), { state: json<Account>() }), ... })
 * ```
 */
export function sqliteSnapshots<State>(
  database: DatabaseSync,
  { state, table = 'millrace_snapshots' }: SqliteSnapshotOptions<State>,
): SnapshotStore<State> {
  // It goes into statements as it is.
  if (!/^[a-z_][a-z0-9_]{0,62}$/i.test(table))
    throw new MillraceError('CLIENT_OPTION_INVALID', `${JSON.stringify(table)} is no name of a table.`);
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${table} (stream TEXT NOT NULL, version TEXT NOT NULL, next_offset INTEGER NOT NULL,` +
      ' state BLOB NOT NULL, PRIMARY KEY (stream, version)) WITHOUT ROWID, STRICT',
  );
  const select = database.prepare(`SELECT next_offset, state FROM ${table} WHERE stream = ? AND version = ?`);
  select.setReadBigInts(true);
  const upsert = database.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?, ?)`);
  return {
    async load(stream, version) {
      const row = select.get(stream, version);
      if (row === undefined) return undefined;
      const bytes = row['state'] as Uint8Array;
      return { state: decodePart(state, 'value', bytes), nextOffset: row['next_offset'] as bigint, version };
    },
    async save(stream, snapshot) {
      const bytes = encodePart(state, 'value', snapshot.state);
      upsert.run(stream, snapshot.version, snapshot.nextOffset, bytes ?? new Uint8Array(0));
    },
  };
}
