/**
 * Proves that topic settings act on what is produced: the codec that batches are stored in, the limits on their times and
 * sizes, the broker's time. With raw requests, because the order of pipelined ones and damaged batches are what is at
 * stake; what real clients make of it stands in test/clients/contract.ts.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { batchOf, produce as produceDirect } from '../../../test/kit/broker-kit.ts';
import { KafkaKit } from '../../../test/kit/kafka-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { writeUint32 } from '../../base/bytes.ts';
import { encodeBatch } from '../../model/batch-builder.ts';
import {
  BATCH_HEADER_BYTES,
  batchSizeBytes,
  CODEC,
  type CodecName,
  CRC_POSITION,
  codec,
  computeCrc,
  crc,
  isLogAppendTime,
  maxTimestamp,
  producerId,
} from '../../model/record-batch.ts';
import { readRecords } from '../../model/record-codec.ts';
import { ERROR_CODES, produce } from '../../wire/index.ts';

const DEADLINE = { timeout: 60_000 };
const CODECS: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const TYPE = { none: 'uncompressed', gzip: 'gzip', snappy: 'snappy', lz4: 'lz4', zstd: 'zstd' } as const;

function values(count: number, prefix: string): { value: Buffer; timestamp: number }[] {
  return Array.from({ length: count }, (_, i) => ({ value: Buffer.from(`${prefix} ${i}`), timestamp: 1_000 + i }));
}

function producer(baseSequence: number) {
  return { producerId: 77, producerEpoch: 0, baseSequence };
}

function* batchesIn(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    yield bytes.subarray(at, at + batchSizeBytes(bytes, at));
  }
}

function textsOf(batch: Uint8Array): string[] {
  return Array.from(readRecords(batch), ({ value }) => Buffer.from(value ?? []).toString());
}

test('compression.type: every codec into every codec, records and header as they were', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  for (const target of CODECS) {
    const topic = `to.${target}`;
    await kit.broker.topics.create({ name: topic, config: { 'compression.type': TYPE[target] } });
    let offset = 0;
    for (const source of CODECS) {
      const sent = encodeBatch(values(50, source), { codec: source });
      const answer = await client.produce(topic, 0, sent);
      assert.deepEqual([answer.errorCode, answer.baseOffset], [0, offset]);
      const { records } = await client.fetch(topic, 0, offset);
      const [stored] = batchesIn(records ?? new Uint8Array(0));
      assert.ok(stored !== undefined);
      assert.equal(codec(stored, 0), CODEC[target], `${source} to ${target}`);
      assert.equal(crc(stored, 0), computeCrc(stored, 0, stored.length));
      assert.deepEqual(textsOf(stored), textsOf(sent));
      assert.deepEqual(
        Array.from(readRecords(stored), ({ timestamp }) => timestamp),
        Array.from({ length: 50 }, (_, i) => 1_000 + i),
      );
      offset += 50;
    }
  }
  // What has the codec already is stored byte for byte.
  assert.equal(kit.broker.producePath.counters.recompressed, CODECS.length * (CODECS.length - 1));
});

test('levels of the codecs are used', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const words = Array.from({ length: 4_000 }, (_, i) => `${(i * 7919) % 4001} brown fox ${i % 13}`).join(' ');
  const sizeWith = async (type: string, level: string) => {
    const name = `${type}.level.${level}`;
    const config = { 'compression.type': type, [`compression.${type}.level`]: level };
    await kit.broker.topics.create({ name, config });
    assert.equal((await client.produce(name, 0, batchOf([words]))).errorCode, 0);
    return (await client.fetch(name, 0, 0)).records?.length ?? 0;
  };
  assert.ok((await sizeWith('gzip', '9')) < (await sizeWith('gzip', '1')));
  assert.ok((await sizeWith('zstd', '19')) < (await sizeWith('zstd', '-50')));
});

test('pipelined requests keep their order and their sequences, recompressed or not', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const name = 'ordered';
  await kit.broker.topics.create({ name, partitions: 2, config: { 'compression.type': 'zstd' } });
  await kit.broker.topics.create({ name: 'plain' });
  const count = 40;
  for (let i = 0; i < count; i++) {
    // Large and small, of the stored codec and of others, alternate: only an order that is kept makes them fit.
    const big = i % 3 === 0 ? randomBytes(200_000).toString('base64') : '';
    const options = { producer: producer(i), codec: (['none', 'zstd', 'gzip'] as const)[i % 3] ?? 'none' };
    const records = encodeBatch([{ value: Buffer.from(`${i} ${big}`), timestamp: 1 }], options);
    const topicData = [
      { name, partitionData: [{ index: 0, records }] },
      { name: 'plain', partitionData: [{ index: 0, records: batchOf([`${i}`]) }] },
    ];
    client.send(client.encode(produce, 9, { acks: -1, timeoutMs: 1000, topicData }));
  }
  for (let i = 0; i < count; i++) {
    const { responses } = await client.answer(produce, 9);
    assert.deepEqual(
      responses.map(({ partitionResponses: [answer] }) => [answer?.errorCode, answer?.baseOffset]),
      [
        [0, i],
        [0, i],
      ],
    );
  }
  for (let offset = 0; offset < count; ) {
    for (const batch of batchesIn((await client.fetch(name, 0, offset)).records ?? new Uint8Array(0))) {
      assert.equal(producerId(batch, 0), 77);
      for (const text of textsOf(batch)) assert.equal(text.split(' ')[0], String(offset++));
    }
  }
  // The repeat of a batch is answered with its first place, and a gap is refused, as without recompression.
  const repeat = encodeBatch([{ value: 'x', timestamp: 1 }], { producer: producer(count - 1) });
  assert.deepEqual((await client.produce(name, 0, repeat)).baseOffset, count - 1);
  const gap = encodeBatch([{ value: 'x', timestamp: 1 }], { producer: producer(count + 5) });
  assert.equal((await client.produce(name, 0, gap)).errorCode, 45);
});

test('a batch that cannot be opened, or is too large in the other codec, is refused alone', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const config = { 'compression.type': 'uncompressed', 'max.message.bytes': '10000' };
  await kit.broker.topics.create({ name: 'strict', partitions: 3, config });
  const good = encodeBatch(values(3, 'good'), { codec: 'gzip' });
  const damaged = Uint8Array.from(good);
  damaged.fill(0, BATCH_HEADER_BYTES + 12, BATCH_HEADER_BYTES + 20);
  writeUint32(damaged, CRC_POSITION, computeCrc(damaged, 0, damaged.length));
  const dense = encodeBatch([{ value: Buffer.alloc(50_000), timestamp: 1 }], { codec: 'zstd' });
  assert.ok(dense.length < 10_000);
  const partitionData = [good, damaged, dense].map((records, index) => ({ index, records }));
  const topicData = [{ name: 'strict', partitionData }];
  const { responses } = await client.call(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
  assert.deepEqual(
    responses[0]?.partitionResponses.map(({ errorCode }) => errorCode),
    [0, 87, 10],
  );
  const silent = client.encode(produce, 9, { acks: 0, timeoutMs: 1000, topicData });
  client.send(silent);
  await client.ended();
  assert.equal(kit.broker.topics.find('strict')?.partitions[0]?.endOffset, 6, 'acks=0 was staged, then the error');
});

test('a client that hangs up, or a broker that closes, in the middle of recompression', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({
    name: 'left',
    config: { 'compression.type': 'zstd', 'compression.zstd.level': '19' },
  });
  const value = randomBytes(700_000);
  for (let i = 0; i < 5; i++) {
    const client = await kit.client();
    const records = encodeBatch([{ value, timestamp: 1 }]);
    client.send(
      client.encode(produce, 9, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: 'left', partitionData: [{ index: 0, records }] }],
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, i * 5));
    client.destroy();
  }
  const topic = kit.broker.topics.find('left');
  const waiting = Array.from({ length: 3 }, () =>
    produceDirect(kit.broker, topic, 0, encodeBatch([{ value, timestamp: 1 }])),
  );
  const settled = Promise.allSettled(waiting);
  await kit.listener.stop();
  await kit.broker.close();
  assert.equal((await settled).length, 3, 'everybody is told');
});

test(
  'message.timestamp limits: before, after, the older name, and only for times of the producer',
  DEADLINE,
  async () => {
    const clock = new ManualClock();
    await using kit = await KafkaKit.start({ clock });
    const client = await kit.client();
    const now = clock.now();
    const limits = {
      before: { 'message.timestamp.before.max.ms': '1000' },
      after: { 'message.timestamp.after.max.ms': '2000' },
      older: { 'message.timestamp.difference.max.ms': '500' },
      both: { 'message.timestamp.difference.max.ms': '500', 'message.timestamp.after.max.ms': '9223372036854775807' },
      broker: { 'message.timestamp.difference.max.ms': '0', 'message.timestamp.type': 'LogAppendTime' },
      none: {},
    };
    for (const [name, config] of Object.entries(limits)) await kit.broker.topics.create({ name, config });
    const at = async (topic: string, distance: number) =>
      (await client.produce(topic, 0, batchOf(['x'], undefined, now + distance))).errorCode;
    assert.deepEqual([await at('before', -1000), await at('before', -1001), await at('before', 9e9)], [0, 32, 0]);
    assert.deepEqual([await at('after', 2000), await at('after', 2001), await at('after', -9e9)], [0, 32, 0]);
    assert.deepEqual([await at('older', -500), await at('older', -501), await at('older', 501)], [0, 32, 32]);
    assert.deepEqual([await at('both', -501), await at('both', 9e12)], [32, 0]);
    assert.deepEqual([await at('broker', 9e9), await at('none', 9e12), await at('none', -now)], [0, 0, 0]);
    const refused = await client.produce('after', 0, batchOf(['x'], undefined, now + 9e9), -1, 9);
    assert.match(refused.errorMessage ?? '', /after allows/);
  },
);

test("LogAppendTime: the broker's time, a checksum that fits, and the answer that tells it", DEADLINE, async () => {
  const clock = new ManualClock();
  await using kit = await KafkaKit.start({ clock });
  const client = await kit.client();
  for (const type of ['producer', 'gzip']) {
    const name = `appended.${type}`;
    const config = { 'message.timestamp.type': 'LogAppendTime', 'compression.type': type };
    await kit.broker.topics.create({ name, config });
    const answer = await client.produce(name, 0, batchOf(['a', 'b']));
    assert.deepEqual([answer.errorCode, answer.logAppendTimeMs], [0, clock.now()]);
    const stored = Uint8Array.from((await client.fetch(name, 0, 0)).records ?? []);
    assert.ok(isLogAppendTime(stored, 0));
    assert.equal(maxTimestamp(stored, 0), clock.now());
    assert.equal(crc(stored, 0), computeCrc(stored, 0, stored.length));
  }
});

test('a compacted topic names the records without a key, compressed or not', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'compacted', config: { 'cleanup.policy': 'compact' } });
  for (const codecName of ['none', 'lz4'] as const) {
    const records = Array.from({ length: 10 }, (_, i) => ({
      key: i % 4 === 1 ? null : Buffer.from(`${i}`),
      value: Buffer.from('x'),
      timestamp: 1_000,
    }));
    const topicData = [
      { name: 'compacted', partitionData: [{ index: 0, records: encodeBatch(records, { codec: codecName }) }] },
    ];
    const { responses } = await client.call(produce, 9, { acks: -1, timeoutMs: 1_000, topicData });
    const answer = responses[0]?.partitionResponses[0];
    assert.equal(answer?.errorCode, ERROR_CODES.INVALID_RECORD, codecName);
    assert.deepEqual(
      answer?.recordErrors.map(({ batchIndex }) => batchIndex),
      [1, 5, 9],
      codecName,
    );
    assert.match(answer?.errorMessage ?? '', /compacted and takes no record without a key/);
  }
});
