/**
 * Proves that clients over their quota are told how long to wait and are not read meanwhile (KIP-219), on a clock moved
 * by hand; that the quota APIs answer every form of question; and, on the real clock, that a real client slows down.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Admin, Producer } from '@platformatic/kafka';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit, type RawClient } from '../../../test/kit/kafka-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { alterClientQuotas, apiVersions, describeClientQuotas, fetch, produce } from '../../wire/index.ts';

const DEADLINE = { timeout: 60_000 };
const CLIENT = 'client-id';

/** What the kit's client says in its requests. */
const KIT_ID = 'kit';

async function untilHeld(client: RawClient): Promise<void> {
  // Bytes that nobody reads: whoever does not answer after this time has not read them.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(client.waitingFrames, 0);
}

test(
  'Produce: the answer comes at once and says how long; what follows is read when that is over',
  DEADLINE,
  async () => {
    const clock = new ManualClock();
    await using kit = await KafkaKit.start({ clock });
    const [client, other] = [await kit.client(), await kit.client()];
    await kit.broker.topics.create({ name: 'q' });
    await kit.broker.quotas.change(KIT_ID, { producerByteRate: 10_000 });
    const records = batchOf(['x'.repeat(30_000)]);
    const topicData = [{ name: 'q', partitionData: [{ index: 0, records }] }];
    const first = await client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    assert.equal(first.responses[0]?.partitionResponses[0]?.errorCode, 0);
    assert.ok(first.throttleTimeMs > 2_000 && first.throttleTimeMs < 2_100, `${first.throttleTimeMs} ms`);
    client.send(client.encode(apiVersions, 0, {}));
    await untilHeld(client);
    // Another connection of the same client has the same debt, but is read until it adds to it.
    assert.equal((await other.call(apiVersions, 0, {})).errorCode, 0);
    clock.advance(first.throttleTimeMs);
    assert.equal((await client.answer(apiVersions, 0)).errorCode, 0);
    // acks=0 has no answer, and is held back all the same.
    client.send(client.encode(produce, 9, { acks: 0, timeoutMs: 1000, topicData }));
    client.send(client.encode(apiVersions, 0, {}));
    await untilHeld(client);
    clock.advance(4_000);
    assert.equal((await client.answer(apiVersions, 0)).errorCode, 0);
    assert.equal(kit.broker.quotas.counters.throttles, 2);
  },
);

test(
  'Produce: while the broker slows producers down every connection waits, whatever its quota',
  DEADLINE,
  async () => {
    const clock = new ManualClock();
    await using kit = await KafkaKit.start({ clock });
    const client = await kit.client();
    await kit.broker.topics.create({ name: 'q' });
    kit.broker.governor.waitMs = () => 700;
    const topicData = [{ name: 'q', partitionData: [{ index: 0, records: batchOf(['x']) }] }];
    const call = { acks: -1, timeoutMs: 1000, topicData };
    assert.equal((await client.call(produce, 9, call)).throttleTimeMs, 700);
    client.send(client.encode(apiVersions, 0, {}));
    clock.advance(699);
    await untilHeld(client);
    clock.advance(1);
    assert.equal((await client.answer(apiVersions, 0)).errorCode, 0);
    await kit.broker.quotas.change(KIT_ID, { producerByteRate: 1 });
    assert.equal((await client.call(produce, 9, call)).throttleTimeMs, 30_000, 'the longer wait');
  },
);

test('Fetch: one answer takes a second at most, then the connection waits', DEADLINE, async (t) => {
  const clock = new ManualClock();
  await using kit = await KafkaKit.start({ clock });
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'q' });
  for (let i = 0; i < 20; i++) await client.produce('q', 0, batchOf(['x'.repeat(1_000)]));
  await kit.broker.quotas.change(undefined, { consumerByteRate: 5_000 });
  const read = async (offset: number) => {
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1_000_000 }];
    const answer = await client.call(fetch, 11, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 'q', partitions }] });
    return [answer.responses[0]?.partitions[0]?.records?.length ?? 0, answer.throttleTimeMs] as const;
  };
  const [firstBytes, firstWait] = await read(0);
  assert.ok(firstBytes > 3_000 && firstBytes <= 5_000 && firstWait === 0, `${firstBytes} bytes, ${firstWait} ms`);
  const [secondBytes, secondWait] = await read(4);
  assert.ok(secondBytes > 3_000 && secondWait > 500, `${secondBytes} bytes, ${secondWait} ms`);
  client.send(client.encode(apiVersions, 0, {}));
  await untilHeld(client);
  clock.advance(secondWait);
  await client.answer(apiVersions, 0);
  // A client that hangs up while it waits is noticed when its time is over.
  const [, lastWait] = await read(8);
  client.destroy();
  clock.advance(lastWait);
  while (kit.listener.connections() > 0) await delay(5, undefined, { signal: t.signal });
});

test('the quota APIs: every filter, every refusal, both versions', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const alter = async (
    entity: [string, string | null][],
    ops: [string, number | null][],
    version = 1,
    validateOnly = false,
  ) => {
    const entry = {
      entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
      ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
    };
    const { entries } = await client.call(alterClientQuotas, version, { entries: [entry], validateOnly });
    return entries[0]?.errorCode;
  };
  assert.equal(
    await alter(
      [[CLIENT, 'a']],
      [
        ['producer_byte_rate', 1000],
        ['consumer_byte_rate', 2000],
      ],
      0,
    ),
    0,
  );
  assert.equal(await alter([[CLIENT, null]], [['consumer_byte_rate', 5000]]), 0);
  assert.equal(await alter([[CLIENT, 'dry']], [['consumer_byte_rate', 5000]], 1, true), 0);
  const refused: [[string, string | null][], [string, number | null][], number][] = [
    [[['user', 'u']], [['producer_byte_rate', 1]], 42],
    [
      [
        ['user', 'u'],
        [CLIENT, 'a'],
      ],
      [['producer_byte_rate', 1]],
      42,
    ],
    [[], [['producer_byte_rate', 1]], 42],
    [[[CLIENT, '']], [['producer_byte_rate', 1]], 42],
    [[[CLIENT, 'a']], [['request_percentage', 50]], 42],
    [[[CLIENT, 'a']], [['nosuch', 50]], 42],
    [[[CLIENT, 'a']], [['__proto__', 50]], 42],
    [
      [[CLIENT, 'a']],
      [
        ['producer_byte_rate', 1],
        ['producer_byte_rate', 2],
      ],
      42,
    ],
    [[[CLIENT, 'a']], [['producer_byte_rate', 0.5]], 40],
    [[[CLIENT, 'a']], [['producer_byte_rate', -1]], 40],
    [[[CLIENT, 'a']], [['producer_byte_rate', Number.POSITIVE_INFINITY]], 40],
  ];
  for (const [entity, ops, code] of refused)
    assert.equal(await alter(entity, ops), code, JSON.stringify([entity, ops]));
  const twice = { entity: [{ entityType: CLIENT, entityName: 'a' }], ops: [] };
  const both = await client.call(alterClientQuotas, 1, { entries: [twice, twice], validateOnly: false });
  assert.deepEqual(
    both.entries.map(({ errorCode }) => errorCode),
    [0, 42],
  );

  const find = async (components: [string, number, string | null][], strict = false, version = 1) => {
    const answer = await client.call(describeClientQuotas, version, {
      components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
      strict,
    });
    return answer.errorCode !== 0
      ? answer.errorCode
      : answer.entries?.map(({ entity, values }) => [
          entity.map(({ entityName }) => entityName),
          values.map(({ key, value }) => [key, value]),
        ]);
  };
  const a = [
    ['a'],
    [
      ['producer_byte_rate', 1000],
      ['consumer_byte_rate', 2000],
    ],
  ];
  const all = [[null], [['consumer_byte_rate', 5000]]];
  for (const version of [0, 1]) {
    assert.deepEqual(await find([], false, version), [a, all]);
    assert.deepEqual(await find([], true, version), []);
    assert.deepEqual(await find([[CLIENT, 0, 'a']], false, version), [a]);
    assert.deepEqual(await find([[CLIENT, 1, null]], true, version), [all]);
    assert.deepEqual(await find([[CLIENT, 2, null]], false, version), [a, all]);
    assert.deepEqual(await find([[CLIENT, 0, 'nosuch']], false, version), []);
    assert.deepEqual(await find([['user', 2, null]], false, version), []);
    assert.deepEqual(
      await find(
        [
          ['user', 2, null],
          [CLIENT, 2, null],
        ],
        false,
        version,
      ),
      [],
    );
    assert.equal(await find([['tribe', 2, null]], false, version), 35);
    assert.equal(await find([[CLIENT, 0, null]], false, version), 42);
    assert.equal(await find([[CLIENT, 1, 'a']], false, version), 42);
    assert.equal(await find([[CLIENT, 3, null]], false, version), 42);
    assert.equal(
      await find(
        [
          [CLIENT, 2, null],
          [CLIENT, 1, null],
        ],
        false,
        version,
      ),
      42,
    );
  }
  assert.equal(
    await alter(
      [[CLIENT, 'a']],
      [
        ['producer_byte_rate', null],
        ['consumer_byte_rate', null],
      ],
    ),
    0,
  );
  assert.deepEqual(await find([[CLIENT, 0, 'a']]), []);
});

test('@platformatic/kafka sets a quota, and its producer keeps to it', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const bootstrapBrokers = [`127.0.0.1:${kit.listener.address.port}`];
  const admin = new Admin({ clientId: 'admin', bootstrapBrokers });
  const producer = new Producer<Buffer>({
    clientId: 'slow',
    bootstrapBrokers,
    autocreateTopics: true,
  });
  try {
    const entities = [{ entityType: 'client-id', entityName: 'slow' }] as const;
    const ops = [{ key: 'producer_byte_rate', value: 100_000, remove: false }] as const;
    await admin.alterClientQuotas({
      entries: [{ entities: [...entities], ops: [...ops] }],
      validateOnly: false,
    });
    const described = await admin.describeClientQuotas({
      components: [{ entityType: 'client-id', matchType: 2 }],
      strict: false,
    });
    assert.match(JSON.stringify(described), /producer_byte_rate/);
    const startedAt = performance.now();
    for (let i = 0; i < 6; i++) {
      await producer.send({
        messages: [{ topic: 'slowed', value: Buffer.alloc(50_000, 'x') }],
        acks: -1,
      });
    }
    const seconds = (performance.now() - startedAt) / 1000;
    // 300 KB at 100 KB a second with one second free; the last request is answered before its own wait.
    assert.ok(seconds > 1.2, `${seconds} s`);
    assert.ok(kit.broker.quotas.counters.throttles >= 3);
  } finally {
    await producer.close();
    await admin.close();
  }
});
