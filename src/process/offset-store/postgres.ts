/** Positions in PostgreSQL, through a pool of the program's own (`pg`). */
import { MillraceError } from '../../client/internal.ts';
import { checkTableName, type OffsetStore, type PositionMove, positionMoved } from './offset-store.ts';

/** What is used of a connection of `pg`; programs get the connection itself. */
export interface PostgresClient {
  query(
    text: string,
    values?: unknown[],
  ): Promise<{ readonly rows: Record<string, unknown>[]; readonly rowCount: number | null }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
  /** @param broken the connection is not used again. */
  release(broken?: boolean): void;
}

/** `Pool` of `pg`. */
export interface PostgresPool<Connection extends PostgresClient> {
  connect(): Promise<Connection>;
}

/** Options of `postgresOffsets`. */
export interface PostgresOptions {
  /** Default `millrace_offsets`. */
  readonly table?: string | undefined;
}

/**
 * Effects go through the connection that the sink's function gets: what it writes there and the positions are one transaction.
 *
 * ```ts
 * const pool = new Pool({ connectionString });
 * const offsets = postgresOffsets<PoolClient>(pool);
 * ```
 *
 * @typeParam Connection what the sink's function gets: `PoolClient` of `pg`.
 * @throws MillraceError CLIENT_OPTION_INVALID for a table that is none; later CLIENT_NETWORK (kind `retry`) where the server is
 *   away or asks to try again: whether the transaction counts, the next `load` tells.
 */
export function postgresOffsets<Connection extends PostgresClient = PostgresClient>(
  pool: PostgresPool<NoInfer<Connection>>,
  { table = 'millrace_offsets' }: PostgresOptions = {},
): OffsetStore<Connection> {
  const name = checkTableName(table);
  return {
    load: async (group) =>
      await connected(pool, async (connection) => {
        await createTable(connection, name);
        const { rows } = await connection.query(
          `SELECT topic, "partition", next_offset FROM ${name} WHERE consumer_group = $1`,
          [group],
        );
        return rows.map((row) => ({
          topic: String(row['topic']),
          partition: Number(row['partition']),
          // pg gives 64-bit integers as text, unless a program has told it otherwise.
          nextOffset: BigInt(row['next_offset'] as string | number | bigint),
        }));
      }),
    transact: async (group, moves, work) =>
      await connected(pool, async (connection) => {
        await connection.query('BEGIN');
        try {
          await move(connection, name, group, moves);
          await work(connection);
          await connection.query('COMMIT');
        } catch (error) {
          // Where the connection is gone the server rolls back by itself; what failed first is what is told.
          await connection.query('ROLLBACK').catch(() => undefined);
          throw error;
        }
      }),
  };
}

/** Two programs that start at once would both make it, and one would fail. */
async function createTable(connection: PostgresClient, name: string): Promise<void> {
  const { rows } = await connection.query('SELECT to_regclass($1) AS found', [name]);
  if (rows[0]?.['found'] !== null) return;
  try {
    await connection.query(
      `CREATE TABLE IF NOT EXISTS ${name} (consumer_group text NOT NULL, topic text NOT NULL, "partition" integer NOT NULL,` +
        ' next_offset bigint NOT NULL, PRIMARY KEY (consumer_group, topic, "partition"))',
    );
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
  }
}

/** One statement for all that stand somewhere, one for those that stand nowhere yet. @throws `positionMoved`. */
async function move(
  connection: PostgresClient,
  name: string,
  group: string,
  moves: readonly PositionMove[],
): Promise<void> {
  const columns = (of: readonly PositionMove[]): unknown[] => [
    group,
    of.map(({ topic }) => topic),
    of.map(({ partition }) => partition),
    of.map(({ nextOffset }) => String(nextOffset)),
  ];
  const onward = moves.filter(({ from }) => from !== undefined);
  const first = moves.filter(({ from }) => from === undefined);
  if (onward.length > 0) {
    const { rows } = await connection.query(
      `UPDATE ${name} AS t SET next_offset = m.next_offset
       FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[]) AS m(topic, "partition", next_offset, stands_at)
       WHERE t.consumer_group = $1 AND t.topic = m.topic AND t."partition" = m."partition" AND t.next_offset = m.stands_at
       RETURNING t.topic, t."partition"`,
      [...columns(onward), onward.map(({ from }) => String(from))],
    );
    checkAllMoved(group, onward, rows);
  }
  if (first.length > 0) {
    const { rows } = await connection.query(
      `INSERT INTO ${name} (consumer_group, topic, "partition", next_offset)
       SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::bigint[])
       ON CONFLICT DO NOTHING RETURNING topic, "partition"`,
      columns(first),
    );
    checkAllMoved(group, first, rows);
  }
}

function checkAllMoved(group: string, moves: readonly PositionMove[], rows: readonly Record<string, unknown>[]): void {
  const moved = new Set(rows.map((row) => `${String(row['topic'])}/${String(row['partition'])}`));
  const left = moves.find(({ topic, partition }) => !moved.has(`${topic}/${partition}`));
  if (left !== undefined) throw positionMoved(group, left);
}

async function connected<Connection extends PostgresClient, T>(
  pool: PostgresPool<Connection>,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  let connection: Connection;
  try {
    connection = await pool.connect();
  } catch (error) {
    throw passing(error);
  }
  let broken = true;
  // A connection that breaks says so to whoever waits for a query, and in an event that would end the process unheard.
  connection.on('error', hear);
  try {
    const result = await work(connection);
    broken = false;
    return result;
  } catch (error) {
    const told = passing(error);
    broken = told !== error;
    throw told;
  } finally {
    // A broken one may go on to complain.
    if (!broken) connection.off('error', hear);
    connection.release(broken);
  }
}

function hear(): void {
  // Whoever waits for a query is told.
}

const UNIQUE_VIOLATION = '23505';
/**
 * What waiting helps (PostgreSQL, appendix A): connection exceptions, serialization failures and deadlocks, too many connections,
 * a server that stops or starts.
 */
const PASSING_STATES = /^(08...|40001|40P01|53300|57P0[123])$/;
const PASSING_SYSTEM_ERRORS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT', 'ETIMEDOUT']);

/** @returns the error itself where trying again does not help. */
function passing(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof MillraceError) return error;
  const { code } = error as { code?: unknown };
  const passes =
    typeof code === 'string'
      ? PASSING_STATES.test(code) || PASSING_SYSTEM_ERRORS.has(code)
      : /^Connection terminated|not queryable|timeout exceeded when trying to connect/.test(error.message);
  return passes ? new MillraceError('CLIENT_NETWORK', `PostgreSQL: ${error.message}`, { cause: error }) : error;
}
