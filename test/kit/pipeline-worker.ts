/**
 * An exactly-once pipeline in a process of its own, to be killed: doubles numbers, and sums them by key in a compacted topic. It
 * waits for a server that is away, at the start and later.
 *
 *   node test/kit/pipeline-worker.ts URI INPUT OUTPUT SUMS TRANSACTIONAL-ID resumable|load-balanced
 */
import { compacted, from, map, pipe, reduce, tap, to } from '../../src/process/index.ts';
import { type Client, connect, json, MillraceError } from '../../src/sdk/index.ts';

const [uri = '', input = '', output = '', sums = '', transactionalId = '', mode = ''] = process.argv.slice(2);

async function persist(): Promise<Client<'exactly-once'>> {
  for (;;) {
    try {
      const client: Client = await connect(uri);
      if (client.hasTransactions()) return client;
      throw new TypeError(`${uri} has no transactions`);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.kind !== 'retry') throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

const client = await persist();
const group = { topics: input, group: 'pipeline', value: json<number>() };
const source =
  mode === 'resumable'
    ? from(client, { ...group, mode: 'resumable' })
    : from(client, { ...group, mode: 'load-balanced' });
const state = compacted(client, { topic: sums, value: json<number>() });

await pipe(
  source,
  tap(async () => await new Promise((resolve) => setImmediate(resolve)), { concurrency: 4 }),
  map((n) => ({ n })),
  reduce({
    initial: () => ({ n: 0, sum: 0 }),
    fold: ({ sum }, { n }: { n: number }) => ({ n, sum: sum + n }),
    state: summed(state),
  }),
  map(({ n }) => n * 2),
  to(client, { topic: output, value: json<number>() }),
).run({
  exactlyOnce: { transactionalId, timeoutMs: 10_000 },
  // Whatever a dying server does to it: the run after the next commit counts anew.
  restart: { attempts: 1_000, firstMs: 50, maxMs: 500 },
});

/** The topic holds the sums alone. */
function summed(store: ReturnType<typeof compacted<number>>): ReturnType<typeof compacted<{ n: number; sum: number }>> {
  const { value } = store;
  return {
    ...store,
    value: {
      name: value.name,
      encode: ({ sum }) => value.encode(sum),
      decode: (bytes) => ({ n: 0, sum: value.decode(bytes) }),
    },
  };
}
