/**
 * What the layers log through; the server puts a real logger behind it. Levels by who must act: `error` a developer or
 * operator looks, `info` state changed, `debug` for whoever is searching.
 */
import type { ErrorDetails } from './errors.ts';

/** Where a broker logs to: one line and its fields at a time. */
export interface Logger {
  error(message: string, details?: ErrorDetails): void;
  info(message: string, details?: ErrorDetails): void;
  debug(message: string, details?: ErrorDetails): void;
}

/** Logs nothing. */
export const silentLogger: Logger = {
  error: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};
