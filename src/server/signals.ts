/**
 * Ends a server on SIGTERM, SIGINT or SIGHUP: the first closes it gracefully, the second ends the process at once.
 *
 * ```
 * running ──signal──► closing ──closed──► done (exit code 0, or 1 when closing failed)
 *                        └────signal────► exit code 128 + number of the signal
 * ```
 */
import type { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { Logger } from '../base/logger.ts';

export interface Closable {
  close(): Promise<void>;
}

/** The part of `process` used here. */
export interface SignalSource extends EventEmitter {
  exit(code: number): void;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * Resolves when a signal came and the server is closed. A signal that comes while the server still starts closes it as
 * soon as it has: replay is not cut off, and whoever reads `ready` in the log may ask for the end at once.
 *
 * @throws what starting or closing threw.
 */
export async function closeOnSignal(
  starting: Promise<Closable>,
  logger: Logger,
  source: SignalSource = process,
): Promise<void> {
  const { promise: asked, resolve: ask } = Promise.withResolvers<NodeJS.Signals>();
  let closing = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (closing) {
      logger.error('second signal: ending at once, unfinished requests are cut off', { signal });
      source.exit(128 + constants.signals[signal]);
    } else {
      closing = true;
      ask(signal);
    }
  };
  for (const signal of SIGNALS) source.on(signal, onSignal);
  try {
    const server = await starting;
    const signal = await asked;
    logger.info('stopping: no new requests, finishing what waits; a second signal ends at once', { signal });
    await server.close();
    logger.info('stopped');
  } finally {
    for (const signal of SIGNALS) source.off(signal, onSignal);
  }
}
