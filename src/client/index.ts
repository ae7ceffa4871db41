/**
 * `millrace`: write a stream processor once, run it on Millrace, Kafka, Redis, files, pipes, HTTP or in memory.
 * Guide: docs/sdk.md.
 */
import { createConnect } from './connect.ts';
import { SCHEMES } from './schemes.ts';

export * from './public.ts';
export { SCHEMES } from './schemes.ts';

/**
 * Connects to the back end that the URI names.
 *
 * ```ts
 * await using client = await connect('kafka://127.0.0.1:9092/orders');
 * ```
 *
 * @throws MillraceError CLIENT_URI_INVALID, CLIENT_LIBRARY_MISSING, CLIENT_NETWORK, CLIENT_ABORTED.
 */
export const connect = createConnect(SCHEMES);
