/** Groups whose members come and go in good order. Members that are killed: contract-members.ts. */
import assert from 'node:assert/strict';
import type { ClientConsumer } from './driver.ts';
import { assertSame, text, texts } from './scenario-data.ts';
import type { Scenarios } from './scenarios.ts';
import { committedOffsets, groupSettled } from './wire-view.ts';

const PARTITIONS = 6;

export function groupScenarios(kit: Scenarios): void {
  const { driver, scenario, send } = kit;

  scenario('a group of one commits, and goes on after a restart of the broker', async () => {
    await send('resumed', texts(10, 'before '));
    await using first = await driver.consumer(kit.broker.kafka, 'resumed', { group: 'resuming' });
    await first.take(10);
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await committedOffsets(kit.broker.kafka, 'resuming', 'resumed', 1), [10]);
    await kit.broker.restart();
    await send('resumed', texts(5, 'after '));
    await using second = await driver.consumer(kit.broker.kafka, 'resumed', { group: 'resuming' });
    assertSame(await second.take(5), texts(5, 'after '));
  });

  scenario('a group of three shares the partitions, of two after one left', async () => {
    await kit.createTopic('shared', PARTITIONS);
    const members: ClientConsumer[] = [];
    await using _all = closing(members);
    for (let i = 0; i < 3; i++) members.push(await driver.consumer(kit.broker.kafka, 'shared', { group: 'sharing' }));
    await groupSettled(kit.broker.kafka, 'sharing', 3);
    await rounds(members, 'three');
    await members.pop()?.[Symbol.asyncDispose]();
    await groupSettled(kit.broker.kafka, 'sharing', 2);
    await rounds(members, 'two');
  });

  /**
   * One record to each partition, twice. The first time a member may still get the answer to a fetch that it sent before
   * the rebalance, so only that all arrive is asked; the second time each member gets its share, and no record comes twice.
   */
  async function rounds(members: readonly ClientConsumer[], name: string): Promise<void> {
    for (const round of ['loose', 'strict']) {
      const values = Array.from({ length: PARTITIONS }, (_, i) => `${name} ${round} ${i}`);
      await send(
        'shared',
        values.map((value, i) => text(value, i)),
      );
      const shares = await gather(members, values);
      if (round === 'loose') continue;
      assert.deepEqual(shares.flat().sort(), values);
      for (const share of shares) assert.equal(share.length, PARTITIONS / members.length);
    }
  }
}

/** What each member got of these values, once all have come. */
async function gather(members: readonly ClientConsumer[], values: readonly string[]): Promise<string[][]> {
  const missing = new Set(values);
  const shares = members.map((): string[] => []);
  for (;;) {
    for (const [i, member] of members.entries()) {
      const records = await member.take(member.waiting);
      const got = records.map((record) => record.value?.toString() ?? '').filter((value) => values.includes(value));
      shares[i]?.push(...got);
      for (const value of got) missing.delete(value);
    }
    if (missing.size === 0) return shares;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function closing(members: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const member of members) await member[Symbol.asyncDispose]();
    },
  };
}
