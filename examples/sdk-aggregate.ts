// An event-sourced aggregate: the stock of a shop, sold by several sellers at once, and never more than there is. In an installed
// package the imports are 'millrace' and 'millrace/aggregate'.
//
//   node examples/sdk-aggregate.ts http://127.0.0.1:7123

import { aggregates, topicSnapshots } from '../src/aggregate/index.ts';
import { connect, json } from '../src/sdk/index.ts';

type StockEvent = { type: 'bought'; pieces: number } | { type: 'sold'; to: string };

const [uri = 'memory://shop'] = process.argv.slice(2);
await using client = await connect(uri);
if (!client.hasConditionalAppends()) throw new Error(`${uri} has no conditional appends`);

const stocks = aggregates(client, {
  event: json<StockEvent>(),
  initial: () => ({ pieces: 0 }),
  apply: ({ pieces }, event) => ({ pieces: event.type === 'bought' ? pieces + event.pieces : pieces - 1 }),
  snapshots: topicSnapshots(client, { state: json<{ pieces: number }>() }),
  snapshotEvery: 10,
});

const stock = await stocks.open('shop.stock.teapots');
await stock.transactWrite(() => [{ type: 'bought', pieces: 25 }]);

async function seller(customers: readonly string[]): Promise<string[]> {
  // Each with a view of its own, as in programs of their own.
  const own = await stocks.open('shop.stock.teapots');
  const served: string[] = [];
  for (const to of customers) {
    const { events } = await own.transactWrite(({ pieces }) => (pieces > 0 ? [{ type: 'sold', to }] : []));
    if (events.length > 0) served.push(to);
  }
  return served;
}

const customers = Array.from({ length: 40 }, (_, i) => `customer ${i}`);
const served = await Promise.all([0, 1, 2, 3].map((s) => seller(customers.filter((_, i) => i % 4 === s))));
console.log(
  `${served.flat().length} of ${customers.length} customers served, ${(await stock.refresh()).pieces} pieces left`,
);
