/** The library under kafka:// and millrace://, loaded when a URI asks for it, and its options as the URI gives them. */
import type { BaseOptions } from '@platformatic/kafka';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendContext } from '../../backend.ts';
import { booleanOption, hostsOf, numberOption, type UriForm, wordOption } from '../../uri.ts';
import type { Server } from './foreign-server.ts';

export type KafkaLibrary = typeof import('@platformatic/kafka');

export const KAFKA_FORM: UriForm = {
  rest: 'topics',
  options: ['tls', 'sasl', 'session-timeout-ms', 'heartbeat-ms', 'fetch-max-bytes', 'fetch-wait-ms', 'auto-create'],
  nodes: 'servers',
  credentials: true,
};

const DEFAULT_PORT = 9092;
/** Between attempts to reach a broker that is away; the library adds none of its own. */
const RETRY_DELAY_MS = 250;

/** @throws MillraceError CLIENT_LIBRARY_MISSING. */
export async function loadKafkaLibrary(): Promise<KafkaLibrary> {
  try {
    return await import('@platformatic/kafka');
  } catch (error) {
    throw new MillraceError(
      'CLIENT_LIBRARY_MISSING',
      'kafka:// and millrace:// need a library that is not installed: npm install @platformatic/kafka',
      { cause: error },
    );
  }
}

export interface KafkaSettings {
  readonly base: BaseOptions;
  /** Of the URI. Undefined: they are reached over TLS, or the library was given others. */
  readonly plainServers: readonly Server[] | undefined;
  /** A member that is silent for so long is taken for dead. */
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Most bytes of one fetch, and of those waiting to be processed. */
  readonly fetchMaxBytes: number;
  /** How long the broker holds a fetch for which there is nothing yet. */
  readonly fetchWaitMs: number;
}

/** @throws MillraceError CLIENT_URI_INVALID. */
export function kafkaSettings({ uri, clientId, library }: BackendContext): KafkaSettings {
  const words = ['none', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
  const mechanism = wordOption(uri, 'sasl', words, uri.username === undefined ? 'none' : 'PLAIN');
  const sessionTimeoutMs = numberOption(uri, 'session-timeout-ms', 30_000, 1);
  const heartbeatMs = numberOption(uri, 'heartbeat-ms', Math.min(1000, Math.ceil(sessionTimeoutMs / 3)), 1);
  if (heartbeatMs > sessionTimeoutMs)
    throw new MillraceError(
      'CLIENT_URI_INVALID',
      `heartbeat-ms is ${heartbeatMs}, longer than session-timeout-ms with ${sessionTimeoutMs}: a third of it is a good value.`,
    );
  const servers = hostsOf(uri, DEFAULT_PORT);
  const isTls = booleanOption(uri, 'tls', false);
  const isPlain = !isTls && library['tls'] === undefined && library['bootstrapBrokers'] === undefined;
  return {
    plainServers: isPlain ? servers : undefined,
    base: {
      clientId,
      bootstrapBrokers: servers,
      retries: 3,
      retryDelay: RETRY_DELAY_MS,
      autocreateTopics: booleanOption(uri, 'auto-create', true),
      ...(isTls ? { tls: {} } : {}),
      ...(mechanism === 'none'
        ? {}
        : { sasl: { mechanism, username: uri.username ?? '', password: uri.password ?? '' } }),
      ...library,
    },
    sessionTimeoutMs,
    heartbeatMs,
    fetchMaxBytes: numberOption(uri, 'fetch-max-bytes', 8 * 1024 * 1024, 1024),
    fetchWaitMs: numberOption(uri, 'fetch-wait-ms', 500, 1),
  };
}
