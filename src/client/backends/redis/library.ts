/** The library under redis:// and rediss://, loaded when a URI asks for it, and the options of the URI. */
import type { Command, Redis, RedisOptions } from 'ioredis';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendContext } from '../../backend.ts';
import { failureMessage } from '../../failure-message.ts';
import { hostsOf, numberOption, type UriForm, wordOption } from '../../uri.ts';

export const REDIS_FORM: UriForm = {
  rest: 'topics',
  options: ['db', 'shards', 'ids', 'max-len', 'field', 'claim-idle-ms', 'claim-interval-ms', 'block-ms'],
  nodes: 'servers',
  credentials: true,
};

const DEFAULT_PORT = 6379;
/** Between attempts to reach a server that is away. */
const LAST_RETRY_MS = 2000;

export interface RedisSettings {
  readonly options: RedisOptions;
  readonly shards: number;
  /** `auto`: the server counts; `timestamp`: the record's own time stands in the id, so records must come in order of time. */
  readonly ids: 'auto' | 'timestamp';
  /** Streams are trimmed to about so many records; 0: not at all. */
  readonly maxLen: number;
  /** Field of an entry that holds the value; SeaStreamer's is `msg`. */
  readonly field: string;
  /** A member that has not acknowledged for so long is taken for dead; its records go to others. */
  readonly claimIdleMs: number;
  readonly claimIntervalMs: number;
  /** How long the server holds a read for which there is nothing yet. */
  readonly blockMs: number;
}

/** @throws MillraceError CLIENT_URI_INVALID. */
export function redisSettings({ uri, clientId, library }: BackendContext): RedisSettings {
  const [node, ...others] = hostsOf(uri, DEFAULT_PORT);
  if (node === undefined || others.length > 0)
    throw new MillraceError('CLIENT_URI_INVALID', 'Name one Redis server; clusters are not supported.');
  return {
    options: {
      ...node,
      db: numberOption(uri, 'db', 0),
      connectionName: clientId,
      // Version 3 gives the streams of a read as a flat list; 2 pairs them.
      protocol: 2,
      // Commands wait while the server is away, and go on when it is back.
      maxRetriesPerRequest: null,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), LAST_RETRY_MS),
      lazyConnect: true,
      ...(uri.username === undefined || uri.username === '' ? {} : { username: uri.username }),
      ...(uri.password === undefined ? {} : { password: uri.password }),
      ...(uri.scheme === 'rediss' ? { tls: {} } : {}),
      ...library,
    },
    shards: numberOption(uri, 'shards', 1, 1),
    ids: wordOption(uri, 'ids', ['auto', 'timestamp'], 'auto'),
    maxLen: numberOption(uri, 'max-len', 0),
    field: uri.options.get('field') ?? 'msg',
    claimIdleMs: numberOption(uri, 'claim-idle-ms', 60_000, 1),
    claimIntervalMs: numberOption(uri, 'claim-interval-ms', 30_000, 1),
    blockMs: numberOption(uri, 'block-ms', 500, 1),
  };
}

/** What is used of the library. */
export interface RedisLibrary {
  /** A connection, not opened yet. */
  readonly connect: (options: RedisOptions) => Redis;
  readonly Command: typeof Command;
}

/** @throws MillraceError CLIENT_LIBRARY_MISSING. */
export async function loadRedis(): Promise<RedisLibrary> {
  try {
    const { Redis: Connection, Command } = await import('ioredis');
    return {
      connect(options) {
        const connection = new Connection({ ...options, replyMapping: 'legacy' });
        // Failures reach whoever waits for a command; without a listener they would end the process as well.
        connection.on('error', () => undefined);
        return connection;
      },
      Command,
    };
  } catch (error) {
    throw new MillraceError(
      'CLIENT_LIBRARY_MISSING',
      'redis:// and rediss:// need a library that is not installed: npm install ioredis',
      { cause: error },
    );
  }
}

/** Opens a connection. @throws MillraceError CLIENT_NETWORK with the reason, CLIENT_REFUSED. */
export async function openConnection(redis: Redis): Promise<Redis> {
  // When a connection is refused, the promise says only that it is closed.
  let reason: Error | undefined;
  const note = (error: Error): void => void (reason = error);
  redis.on('error', note);
  try {
    await redis.connect();
    // The library goes on in database 0 where the server refuses another one.
    const { db = 0 } = redis.options;
    if (db !== 0) await redis.select(db);
    return redis;
  } catch (error) {
    redis.disconnect();
    const { host, port } = redis.options;
    throw redisError(reason ?? error, `Connecting to Redis at ${host}:${port}`);
  } finally {
    redis.off('error', note);
  }
}

export function redisError(error: unknown, what: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  // Answers of the server begin with a word in capitals: WRONGTYPE, NOAUTH, OOM...
  const refused = /^[A-Z]+ /.test(message) && !message.startsWith('LOADING');
  return new MillraceError(refused ? 'CLIENT_REFUSED' : 'CLIENT_NETWORK', failureMessage(what, message), {
    cause: error,
  });
}
