/**
 * `millrace+dir:///path`: a broker in this process, on that directory, reached over the Kafka protocol on a port that the
 * system chooses. Clients of one directory share it; it stops when the last of them closes.
 */
import path from 'node:path';
import { assert } from '../base/errors.ts';
import type { BackendContext, BackendLoader, ConditionalWriter } from '../client/backend.ts';
import { openKafka } from '../client/backends/kafka/backend.ts';
import { type OpenedBroker, openBroker } from '../server/open-broker.ts';

interface Shared {
  readonly broker: Promise<OpenedBroker>;
  clients: number;
}

/** By absolute path: a directory has one broker at a time. */
const running = new Map<string, Shared>();

export const openEmbedded: BackendLoader = async (context) => {
  const dir = path.resolve(context.uri.path);
  const broker = await acquire(dir);
  try {
    const backend = await openKafka({ ...context, uri: { ...context.uri, nodes: [broker.kafka] } });
    const close = async (): Promise<void> => {
      try {
        await backend.close();
      } finally {
        await release(dir);
      }
    };
    return {
      ...backend,
      name: 'millrace+dir',
      features: { ...backend.features, conditionalAppends: true },
      openConditionalWriter: async () => await conditionalWriter(broker, context),
      close,
    };
  } catch (error) {
    await release(dir);
    throw error;
  }
};

/** The Kafka protocol has no conditional append; the broker's HTTP interface has. */
async function conditionalWriter({ http }: OpenedBroker, context: BackendContext): Promise<ConditionalWriter> {
  const { openHttp } = await import('../client/backends/http/backend.ts');
  const { host } = new URL(http);
  const backend = await openHttp({ ...context, uri: { ...context.uri, scheme: 'http', nodes: [host] }, library: {} });
  assert(backend.openConditionalWriter !== undefined, 'HTTP has conditional appends');
  return await backend.openConditionalWriter();
}

async function acquire(dir: string): Promise<OpenedBroker> {
  let shared = running.get(dir);
  if (shared === undefined) {
    shared = { broker: openBroker({ dir }), clients: 0 };
    running.set(dir, shared);
  }
  shared.clients += 1;
  try {
    return await shared.broker;
  } catch (error) {
    running.delete(dir);
    throw error;
  }
}

async function release(dir: string): Promise<void> {
  const shared = running.get(dir);
  if (shared === undefined || --shared.clients > 0) return;
  running.delete(dir);
  await (await shared.broker).close();
}
