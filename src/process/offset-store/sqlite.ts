/** Positions in SQLite, through node:sqlite. */
import type { DatabaseSync } from 'node:sqlite';
import { checkTableName, type OffsetStore, positionMoved } from './offset-store.ts';

/** Options of `sqliteOffsets`. */
export interface SqliteOptions {
  /** Default `millrace_offsets`. */
  readonly table?: string | undefined;
}

/**
 * Effects go through the same database. While they are written nobody else may write through this connection.
 *
 * ```ts
 * const offsets = sqliteOffsets(new DatabaseSync('orders.db'));
 * ```
 */
export function sqliteOffsets(
  database: DatabaseSync,
  { table = 'millrace_offsets' }: SqliteOptions = {},
): OffsetStore<DatabaseSync> {
  const name = checkTableName(table);
  return {
    async load(group) {
      database.exec(
        `CREATE TABLE IF NOT EXISTS ${name} (consumer_group TEXT NOT NULL, topic TEXT NOT NULL, "partition" INTEGER NOT NULL,` +
          ' next_offset INTEGER NOT NULL, PRIMARY KEY (consumer_group, topic, "partition")) WITHOUT ROWID, STRICT',
      );
      const select = database.prepare(`SELECT topic, "partition", next_offset FROM ${name} WHERE consumer_group = ?`);
      select.setReadBigInts(true);
      return select.all(group).map((row) => ({
        topic: String(row['topic']),
        partition: Number(row['partition']),
        nextOffset: row['next_offset'] as bigint,
      }));
    },
    async transact(group, moves, work) {
      const insert = database.prepare(`INSERT INTO ${name} VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`);
      const update = database.prepare(
        `UPDATE ${name} SET next_offset = ? WHERE consumer_group = ? AND topic = ? AND "partition" = ? AND next_offset = ?`,
      );
      database.exec('BEGIN IMMEDIATE');
      try {
        for (const move of moves) {
          const { topic, partition, from, nextOffset } = move;
          const { changes } =
            from === undefined
              ? insert.run(group, topic, partition, nextOffset)
              : update.run(nextOffset, group, topic, partition, from);
          if (Number(changes) !== 1) throw positionMoved(group, move);
        }
        await work(database);
        database.exec('COMMIT');
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    },
  };
}
