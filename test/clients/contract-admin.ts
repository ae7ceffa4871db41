/** Topics, settings, records, groups and offsets through the client's own administration. */
import assert from 'node:assert/strict';
import { text, texts } from './scenario-data.ts';
import type { Scenarios } from './scenarios.ts';
import { committedOffsets } from './wire-view.ts';

export function adminScenarios(kit: Scenarios): void {
  const { driver, scenario, send, receive } = kit;
  if (driver.admin === undefined) return;

  scenario('topics are created, grown, configured, emptied and deleted', async () => {
    await using admin = await driver.admin?.(kit.broker.kafka);
    assert.ok(admin);
    await admin.createTopic('administered', 2, { 'max.message.bytes': '5000' });
    await admin.addPartitions('administered', 4);
    assert.equal((await driver.topics(kit.broker.kafka)).get('administered'), 4);
    await assert.rejects(admin.createTopic('administered', 2, {}));
    assert.equal((await admin.describeConfig?.('administered', 'max.message.bytes')) ?? '5000', '5000');
    await admin.alterConfig?.('administered', 'max.message.bytes', '6000');
    if (admin.alterConfig) assert.equal(await admin.describeConfig?.('administered', 'max.message.bytes'), '6000');
    await send(
      'administered',
      Array.from({ length: 10 }, (_, i) => text(`${i}`, 0)),
    );
    if (admin.deleteRecords !== undefined) {
      await admin.deleteRecords('administered', 0, 7);
      const left = await receive('administered', 3);
      assert.deepEqual(
        left.map((record) => record.offset),
        [7, 8, 9],
      );
    }
    await admin.deleteTopic('administered');
    assert.equal((await driver.topics(kit.broker.kafka)).has('administered'), false);
  });

  if (driver.can.groupAdmin)
    scenario('groups are listed, described, moved to another offset and deleted', async () => {
      await send('managed', texts(10, 'm'));
      await using admin = await driver.admin?.(kit.broker.kafka);
      const groups = admin?.groups;
      assert.ok(groups);
      {
        await using consumer = await driver.consumer(kit.broker.kafka, 'managed', { group: 'managing' });
        await consumer.take(10);
        assert.ok((await groups.list()).includes('managing'));
        assert.equal((await groups.describe('managing')).memberCount, 1);
      }
      assert.equal(await groups.committed('managing', 'managed', 0), 10);
      await groups.commit('managing', 'managed', 0, 7);
      assert.equal(await groups.committed('managing', 'managed', 0), 7);
      {
        await using again = await driver.consumer(kit.broker.kafka, 'managed', { group: 'managing' });
        const offsets = (await again.take(3)).map((record) => record.offset);
        assert.deepEqual(offsets, [7, 8, 9]);
      }
      await groups.delete('managing');
      assert.ok(!(await groups.list()).includes('managing'));
      assert.deepEqual(await committedOffsets(kit.broker.kafka, 'managing', 'managed', 1), [-1]);
    });
}
