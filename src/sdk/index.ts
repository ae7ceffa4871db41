/**
 * `millrace`: write a stream processor once, run it on Millrace, Kafka, Redis, files, pipes, HTTP or in memory.
 * Guide: docs/sdk.md.
 */
import { KAFKA_FORM } from '../client/backends/kafka/library.ts';
import { createConnect, type Schemes } from '../client/connect.ts';
import { SCHEMES as CLIENT_SCHEMES } from '../client/schemes.ts';

export * from '../client/public.ts';

/** All back ends of this package, by the scheme of their URIs. */
export const SCHEMES: Schemes = {
  ...CLIENT_SCHEMES,
  'millrace+dir': {
    form: {
      rest: 'directory',
      // The broker is reached within the process: there is nobody to hide from.
      options: KAFKA_FORM.options.filter((option) => option !== 'tls' && option !== 'sasl'),
      nodes: 'none',
      credentials: false,
    },
    load: async () => (await import('./embedded.ts')).openEmbedded,
  },
};

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
