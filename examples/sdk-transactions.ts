// Records of two topics and the position of their cause, all or nothing: a transfer never shows half. In an installed package the
// import is 'millrace'.
//
//   node examples/sdk-transactions.ts 127.0.0.1:9092

import { connect, json } from '../src/sdk/index.ts';

interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

const [address = '127.0.0.1:9092'] = process.argv.slice(2);
await using client = await connect(`kafka://${address}`);
{
  await using producer = await client.producer({ topic: 'transfers', value: json<Transfer>() });
  await producer.sendAll([
    { value: { from: 'a', to: 'b', amount: 30 } },
    { value: { from: 'b', to: 'c', amount: -1 } },
    { value: { from: 'b', to: 'c', amount: 10 } },
  ]);
}

await using transactor = await client.transactor({ transactionalId: 'booking' });
const debits = transactor.producer({ topic: 'debits', value: json<number>() });
const credits = transactor.producer({ topic: 'credits', value: json<number>() });

await using consumer = await client.consumer({
  topics: 'transfers',
  mode: 'resumable',
  group: 'booking',
  commit: 'manual',
  until: 'end',
  value: json<Transfer>(),
});
let refused = 0;
for await (const { value } of consumer) {
  try {
    await transactor.run(async (transaction) => {
      transaction.commitPositions(consumer);
      await debits.submit({ key: value.from, value: -value.amount });
      // Too late for the debit, were it not in the same transaction.
      if (value.amount < 0) throw new RangeError('no transfer');
      await credits.submit({ key: value.to, value: value.amount });
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    refused += 1;
  }
}

let sum = 0;
await using booked = await client.consumer({
  topics: ['debits', 'credits'],
  from: 'earliest',
  until: 'end',
  value: json<number>(),
});
let entries = 0;
for await (const { value } of booked) {
  sum += value;
  entries += 1;
}
console.log(`${entries} entries, ${sum} in sum, ${refused} transfer refused`);
