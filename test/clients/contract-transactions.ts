/** Transactions: what is committed is read once, what is aborted never, and an older producer of the same name is fenced. */
import assert from 'node:assert/strict';
import type { ClientTransactions } from './driver.ts';
import { text, texts } from './scenario-data.ts';
import type { Scenarios } from './scenarios.ts';
import { committedOffsets, storedBatches } from './wire-view.ts';

export function transactionScenarios(kit: Scenarios): void {
  const { driver, scenario, send, createTopic } = kit;
  if (driver.transactions === undefined) return;

  async function open(id: string): Promise<ClientTransactions> {
    const producer = await driver.transactions?.(kit.broker.kafka, id);
    assert.ok(producer);
    return producer;
  }

  /** All values that a read-committed consumer gets up to this one. */
  async function readCommitted(topic: string, last: string): Promise<string[]> {
    const options = { group: `committed-readers-of-${topic}`, readCommitted: true };
    await using consumer = await driver.consumer(kit.broker.kafka, topic, options);
    const values: string[] = [];
    while (values.at(-1) !== last) {
      const [record] = await consumer.take(1);
      values.push(record?.value?.toString() ?? '');
    }
    return values;
  }

  scenario('committed transactions are read, aborted ones are not', async () => {
    await createTopic('ledger', 1);
    await using producer = await open('ledger-writer');
    const again = driver.can.manyAborted ? 'abort' : 'commit';
    const ends = ['commit', 'abort', 'commit', again, 'commit'] as const;
    for (const [i, end] of ends.entries()) {
      await producer.begin();
      await producer.send('ledger', [text(`${i}a`, 0)]);
      await producer.send('ledger', [text(`${i}b`, 0)]);
      await producer[end]();
    }
    const committed = [...ends.keys()].filter((i) => ends[i] === 'commit').flatMap((i) => [`${i}a`, `${i}b`]);
    assert.deepEqual(await readCommitted('ledger', '4b'), committed);
    // All ten are there, and five markers.
    const batches = await storedBatches(kit.broker.kafka, 'ledger');
    assert.equal(
      batches.reduce((sum, { recordCount }) => sum + recordCount, 0),
      15,
    );
  });

  scenario('a transaction over several topics and partitions', async () => {
    await createTopic('wide.a', 3);
    await createTopic('wide.b', 1);
    await using producer = await open('wide-writer');
    await producer.begin();
    await producer.send('wide.a', [text('a0', 0), text('a1', 1), text('a2', 2)]);
    await producer.send('wide.b', [text('b0', 0)]);
    await producer.commit();
    await using consumer = await driver.consumer(kit.broker.kafka, 'wide.a', { group: 'wide', readCommitted: true });
    const values = (await consumer.take(3)).map((record) => record.value?.toString());
    assert.deepEqual(new Set(values), new Set(['a0', 'a1', 'a2']));
    assert.deepEqual(await readCommitted('wide.b', 'b0'), ['b0']);
  });

  scenario('a second producer with the same id fences the first', async () => {
    await createTopic('fenced', 1);
    await using first = await open('fencing');
    await first.begin();
    await first.send('fenced', [text('of the first', 0)]);
    await using second = await open('fencing');
    await second.begin();
    await second.send('fenced', [text('of the second', 0)]);
    await assert.rejects(first.commit());
    await second.commit();
    assert.deepEqual(await readCommitted('fenced', 'of the second'), ['of the second']);
  });

  scenario('offsets of a group are committed with the transaction, and dropped with it', async () => {
    await createTopic('orders', 1);
    await createTopic('invoices', 1);
    await send('orders', texts(6, 'order '));
    await using producer = await open('invoicing');
    const options = { group: 'invoicers', autoCommit: false, readCommitted: true };
    await using consumer = await driver.consumer(kit.broker.kafka, 'orders', options);
    const orders = await consumer.take(6);
    for (const end of ['abort', 'commit'] as const) {
      const last = orders.at(end === 'abort' ? 2 : 5);
      assert.ok(last);
      await producer.begin();
      await producer.send('invoices', [text(`invoice ${end}`, 0)]);
      await producer.sendOffset(consumer, 'orders', last);
      await producer[end]();
      const committed = await committedOffsets(kit.broker.kafka, 'invoicers', 'orders', 1);
      assert.deepEqual(committed, end === 'abort' ? [-1] : [6]);
    }
    assert.deepEqual(await readCommitted('invoices', 'invoice commit'), ['invoice commit']);
  });
}
