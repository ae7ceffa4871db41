/** Proves that the first requests of a process, whose handlers are loaded only now, are answered in order or refused alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit } from '../../../test/kit/kafka-kit.ts';
import { API_KEYS } from '../../wire/api-keys.ts';
import { apiVersions, describeCluster, findCoordinator, listGroups, metadata, produce } from '../../wire/index.ts';
import { type HandledApi, handledApi } from './registry.ts';

const DEADLINE = { timeout: 60_000 };

function api(name: keyof typeof API_KEYS): HandledApi {
  const found = handledApi(API_KEYS[name]);
  assert.ok(found !== undefined);
  return found;
}

test(
  'requests sent before their handlers are there keep their order, and Produce does not overtake',
  DEADLINE,
  async () => {
    await using kit = await KafkaKit.start();
    await kit.broker.topics.create({ name: 'first' });
    for (const name of ['Metadata', 'FindCoordinator', 'ApiVersions'] as const) {
      assert.equal(api(name).handler, undefined, `${name} is loaded with its first request`);
    }
    const client = await kit.client();
    const topicData = [{ name: 'first', partitionData: [{ index: 0, records: batchOf(['one']) }] }];
    client.send(
      Buffer.concat([
        client.encode(metadata, 12, { topics: [{ name: 'first' }] }),
        client.encode(produce, 9, { acks: -1, timeoutMs: 1000, topicData }),
        client.encode(findCoordinator, 2, { key: 'g' }),
        client.encode(apiVersions, 0, {}),
      ]),
    );
    assert.equal((await client.answer(metadata, 12)).topics[0]?.name, 'first');
    assert.equal((await client.answer(produce, 9)).responses[0]?.partitionResponses[0]?.errorCode, 0);
    assert.equal((await client.answer(findCoordinator, 2)).errorCode, 0);
    assert.notEqual((await client.answer(apiVersions, 0)).apiKeys.length, 0);
    const { requests } = kit.listener.metrics;
    assert.equal(requests[API_KEYS.Metadata], 1, 'a request that is offered twice counts once');
  },
);

test('a client that leaves meanwhile disturbs nobody', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = api('ListGroups');
  const { load } = slow;
  slow.load = () => promise.then(load);
  const leaving = await kit.client();
  leaving.send(leaving.encode(listGroups, 0, {}));
  const staying = await kit.client();
  staying.send(staying.encode(listGroups, 0, {}));
  assert.equal((await (await kit.client()).call(apiVersions, 0, {})).errorCode, 0, 'others go on');
  leaving.destroy();
  resolve();
  assert.equal((await staying.answer(listGroups, 0)).errorCode, 0);
});

test('a handler that cannot be loaded ends the connection, and a later request tries again', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const broken = api('DescribeCluster');
  const { load } = broken;
  broken.load = () => Promise.reject(new Error('no such file'));
  const client = await kit.client();
  client.send(client.encode(describeCluster, 0, { includeClusterAuthorizedOperations: false }));
  await client.ended();
  const logged = kit.lines.splice(0);
  assert.ok(logged.some(({ level, details }) => level === 'error' && details['reason'] === 'no such file'));
  broken.load = load;
  assert.equal(
    (await (await kit.client()).call(describeCluster, 0, { includeClusterAuthorizedOperations: false })).errorCode,
    0,
  );
});
