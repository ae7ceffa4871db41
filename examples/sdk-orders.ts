// The TypeScript SDK: a typed producer and a typed consumer. In an installed package the import is 'millrace'.
//
//   node examples/sdk-orders.ts kafka://127.0.0.1:9092/shop.orders

import { connect, json } from '../src/sdk/index.ts';

interface Order {
  readonly id: string;
  readonly total: number;
}

const [uri = 'memory://shop/orders'] = process.argv.slice(2);
await using client = await connect(uri);

await using producer = await client.producer({ value: json<Order>() });
for (const [id, total] of [
  ['a', 12],
  ['b', 30],
  ['a', 8],
] as const)
  await producer.send({ key: id, value: { id, total } });

await using consumer = await client.consumer({ from: 'earliest', until: 'end', value: json<Order>() });
let sum = 0;
for await (const { value } of consumer) sum += value.total;
console.log(`3 orders, ${sum} in total`);
