/**
 * What every back end of the SDK must do, as one suite that each runs. A back end that lacks something names it in `skip`
 * with the reason, which the runner prints.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Client, ConsumedRecord, Consumer } from '../../src/client/public.ts';
import { json, nullable, raw, string } from '../../src/client/public.ts';

export interface ContractBackend {
  /** A new connection to the same data. */
  connect(topics?: readonly string[]): Promise<Client>;
  /** A name that no other test uses; with so many partitions where the back end has them, for connections made from then on. */
  topic(partitions?: number): Promise<string>;
  close(): Promise<void>;
}

export interface ContractOptions {
  readonly open: (t: TestContext) => Promise<ContractBackend | undefined>;
  /** Case to the reason why the back end cannot have it. */
  readonly skip?: Partial<Record<ContractCase, string>>;
  readonly timeoutMs?: number;
}

export type ContractCase = keyof typeof CASES;

const TIMEOUT_MS = 30_000;
/** How long a test watches that nothing comes. */
const QUIET_MS = 150;

export function clientContract(name: string, { open, skip = {}, timeoutMs = TIMEOUT_MS }: ContractOptions): void {
  for (const [title, run] of Object.entries(CASES)) {
    const reason = skip[title as ContractCase];
    test(`${name}: ${title}`, { timeout: timeoutMs, ...(reason === undefined ? {} : { skip: reason }) }, async (t) => {
      const backend = await open(t);
      if (backend === undefined) return;
      try {
        await run(backend);
      } finally {
        await backend.close();
      }
    });
  }
}

/** Takes `count` records and leaves. */
export async function take<V, K, H>(consumer: Consumer<V, K, H>, count: number): Promise<ConsumedRecord<V, K, H>[]> {
  const records: ConsumedRecord<V, K, H>[] = [];
  while (records.length < count) {
    const record = await consumer.next({ signal: AbortSignal.timeout(20_000) });
    if (record === undefined) break;
    records.push(record);
  }
  return records;
}

async function assertQuiet<V, K, H>(consumer: Consumer<V, K, H>): Promise<void> {
  await assert.rejects(consumer.next({ signal: AbortSignal.timeout(QUIET_MS) }), { code: 'CLIENT_ABORTED' });
}

async function produce(client: Client, topic: string, texts: readonly string[], partition?: number): Promise<void> {
  await using producer = await client.producer({ topic, value: string() });
  await producer.sendAll(texts.map((value) => ({ value, partition })));
}

function values<V, K, H>(records: readonly ConsumedRecord<V, K, H>[]): V[] {
  return records.map((record) => record.value);
}

function numbered(count: number, prefix = 'v'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

const CASES = {
  async 'values come back in order, with rising offsets'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using producer = await client.producer({ topic, value: string() });
    const receipts = await producer.sendAll(numbered(500).map((value) => ({ value })));
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: string() });
    const records = await take(consumer, 500);
    assert.deepEqual(values(records), numbered(500));
    assert.deepEqual(
      records.map((record) => record.offset),
      receipts.map((receipt) => receipt.offset),
    );
    assert.ok(records.every((record, i) => i === 0 || record.offset > (records[i - 1]?.offset ?? 0n)));
  },

  async 'what the end was when the consumer opened is the end'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await produce(client, topic, numbered(7));
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', until: 'end', value: string() });
    await produce(client, topic, ['late']);
    const seen: string[] = [];
    for await (const { value } of consumer) seen.push(value);
    assert.deepEqual(seen, numbered(7));
  },

  async 'an empty topic ends at once'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', until: 'end', value: string() });
    assert.equal(await consumer.next(), undefined);
  },

  async 'latest sees only what comes from now on'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await produce(client, topic, ['old']);
    await using consumer = await client.consumer({ topics: topic, value: string() });
    await produce(client, topic, ['new']);
    assert.deepEqual(values(await take(consumer, 1)), ['new']);
  },

  async 'every real-time consumer sees everything'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using a = await client.consumer({ topics: topic, value: string() });
    await using b = await client.consumer({ topics: topic, value: string() });
    await produce(client, topic, numbered(3));
    assert.deepEqual(values(await take(a, 3)), numbered(3));
    assert.deepEqual(values(await take(b, 3)), numbered(3));
  },

  async 'a consumer of several topics sees each of them'(backend: ContractBackend) {
    await using client = await backend.connect();
    const [first, second] = [await backend.topic(), await backend.topic()];
    await using consumer = await client.consumer({ topics: [first, second], value: string() });
    await produce(client, first, ['one']);
    await produce(client, second, ['two']);
    const records = await take(consumer, 2);
    assert.deepEqual(
      new Map(records.map((record) => [record.topic, record.value])),
      new Map([
        [first, 'one'],
        [second, 'two'],
      ]),
    );
  },

  async 'JSON and bytes survive'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await using objects = await client.producer({ topic, value: json<{ n: number }>() });
    await objects.send({ value: { n: 1 } });
    await using blobs = await client.producer({ topic, value: raw() });
    await blobs.send({ value: bytes });
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: raw() });
    const [first, second] = await take(consumer, 2);
    assert.equal(Buffer.from(first?.value ?? []).toString(), '{"n":1}');
    assert.deepEqual(new Uint8Array(second?.value ?? []), bytes);
  },

  async 'text in many lines and scripts survives'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    const texts = ['two\nlines', '\u4eca\u65e5\u306f 🌍', '[not | a | header] x', ' edges ', '\\n'];
    await produce(client, topic, texts);
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: string() });
    assert.deepEqual(values(await take(consumer, texts.length)), texts);
  },

  async 'keys and headers survive, and names of headers may repeat'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using producer = await client.producer({ topic, value: string() });
    await producer.send({ key: 'k', value: 'v', headers: { trace: 'abc', empty: '', none: null } });
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: string() });
    const [record] = await take(consumer, 1);
    assert.equal(record?.key, 'k');
    assert.deepEqual(
      ['trace', 'empty', 'none', 'absent'].map((name) => record?.headers.get(name)),
      ['abc', '', null, undefined],
    );
    await producer.send({ value: 'v2', headers: record?.headers });
    assert.equal((await take(consumer, 1))[0]?.headers.get('trace'), 'abc');
  },

  async 'tombstones survive'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using producer = await client.producer({ topic, value: nullable(string()) });
    await producer.send({ key: 'k', value: null });
    await producer.send({ key: 'k', value: '' });
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: nullable(string()) });
    assert.deepEqual(values(await take(consumer, 2)), [null, '']);
  },

  async 'timestamps survive'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using producer = await client.producer({ topic, value: string() });
    await producer.send({ value: 'a', timestamp: 1_700_000_000_123 });
    await producer.send({ value: 'b', timestamp: new Date(1_700_000_001_456) });
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: string() });
    const records = await take(consumer, 2);
    assert.deepEqual(
      records.map((record) => record.timestamp),
      [1_700_000_000_123, 1_700_000_001_456],
    );
  },

  async 'equal keys share a partition, and explicit partitions hold'(backend: ContractBackend) {
    const topic = await backend.topic(4);
    await using client = await backend.connect();
    await using producer = await client.producer({ topic, value: string() });
    const first = await producer.send({ key: 'customer-7', value: '1' });
    const second = await producer.send({ key: 'customer-7', value: '2' });
    assert.equal(first.partition, second.partition);
    assert.equal((await producer.send({ value: '3', partition: 3 })).partition, 3);
    await assert.rejects(producer.send({ value: '4', partition: 4 }), { code: 'CLIENT_OPTION_INVALID' });
  },

  async 'only the partitions asked for are read, and assign changes them'(backend: ContractBackend) {
    const topic = await backend.topic(2);
    await using client = await backend.connect();
    await produce(client, topic, ['p0'], 0);
    await produce(client, topic, ['p1'], 1);
    await using consumer = await client.consumer({
      topics: topic,
      from: 'earliest',
      partitions: [{ topic, partition: 1 }],
      value: string(),
    });
    assert.deepEqual(values(await take(consumer, 1)), ['p1']);
    await consumer.assign([{ topic, partition: 0 }]);
    assert.deepEqual(values(await take(consumer, 1)), ['p0']);
    await produce(client, topic, ['again'], 1);
    await assertQuiet(consumer);
    if (client.backendName === 'file') return;
    await assert.rejects(consumer.assign([{ topic, partition: 2 }]), { code: 'CLIENT_OPTION_INVALID' });
    const partitions = [{ topic, partition: 2 }];
    await assert.rejects(client.consumer({ topics: topic, partitions, value: string() }), {
      code: 'CLIENT_OPTION_INVALID',
    });
  },

  async 'seek by offset, by time and rewind'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using producer = await client.producer({ topic, value: string() });
    const receipts = await producer.sendAll(
      numbered(10).map((value, i) => ({ value, timestamp: 1_700_000_000_000 + i * 1000 })),
    );
    await using consumer = await client.consumer({ topics: topic, from: 'earliest', value: string() });
    assert.deepEqual(values(await take(consumer, 10)), numbered(10));
    await consumer.seek({ offset: receipts[7]?.offset ?? 0n });
    assert.deepEqual(values(await take(consumer, 3)), ['v7', 'v8', 'v9']);
    await consumer.seek({ timestamp: receipts[4]?.timestamp ?? 0 });
    assert.equal((await take(consumer, 1))[0]?.value, 'v4');
    await consumer.rewind();
    assert.deepEqual(values(await take(consumer, 2)), ['v0', 'v1']);
    await consumer.seek('latest');
    await produce(client, topic, ['end']);
    assert.deepEqual(values(await take(consumer, 1)), ['end']);
  },

  async 'a start by offset and by time'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using producer = await client.producer({ topic, value: string() });
    const receipts = await producer.sendAll(
      numbered(5).map((value, i) => ({ value, timestamp: 1_700_000_000_000 + i * 1000 })),
    );
    await using byOffset = await client.consumer({
      topics: topic,
      from: { offset: receipts[3]?.offset ?? 0n },
      value: string(),
    });
    assert.equal((await take(byOffset, 1))[0]?.value, 'v3');
    await using byTime = await client.consumer({
      topics: topic,
      from: { timestamp: receipts[2]?.timestamp ?? 0 },
      value: string(),
    });
    assert.equal((await take(byTime, 1))[0]?.value, 'v2');
  },

  async 'a resumable consumer goes on after the last processed record'(backend: ContractBackend) {
    const topic = await backend.topic();
    await using client = await backend.connect();
    await produce(client, topic, numbered(10));
    const options = { mode: 'resumable', group: `resume-${topic}`, topics: topic, value: string() } as const;
    {
      await using consumer = await client.consumer({ ...options, commit: 'each' });
      const seen: string[] = [];
      for await (const { value } of consumer) {
        // The fourth is in work when the program goes down: it comes again.
        if (value === 'v3') break;
        seen.push(value);
      }
      assert.deepEqual(seen, ['v0', 'v1', 'v2']);
    }
    await using again = await backend.connect();
    await using resumed = await again.consumer(options);
    assert.deepEqual(values(await take(resumed, 7)), numbered(10).slice(3));
  },

  async 'a batch is not committed before it was processed'(backend: ContractBackend) {
    const topic = await backend.topic();
    await using client = await backend.connect();
    await produce(client, topic, numbered(5));
    const options = { mode: 'resumable', group: `batch-${topic}`, topics: topic, value: string() } as const;
    {
      await using consumer = await client.consumer(options);
      for await (const { records } of consumer.batches()) {
        assert.ok(records.length > 0);
        break;
      }
    }
    {
      await using consumer = await client.consumer(options);
      const seen: string[] = [];
      for await (const { records } of consumer.batches({ maxRecords: 2 })) {
        seen.push(...values(records));
        if (seen.length >= 4) await consumer.commit();
        if (seen.length >= 4) break;
      }
      assert.deepEqual(seen.slice(0, 4), ['v0', 'v1', 'v2', 'v3']);
    }
    await using consumer = await client.consumer(options);
    assert.deepEqual(values(await take(consumer, 1)), ['v4']);
  },

  async 'commit by hand, every n, and never'(backend: ContractBackend) {
    const topic = await backend.topic();
    await using client = await backend.connect();
    await produce(client, topic, numbered(9));
    const options = { mode: 'resumable', group: `policy-${topic}`, topics: topic, value: string() } as const;
    {
      await using consumer = await client.consumer({ ...options, commit: 'none' });
      await take(consumer, 5);
      await assert.rejects(consumer.commit(), { code: 'CLIENT_COMMIT_NOT_ALLOWED' });
    }
    {
      await using consumer = await client.consumer({ ...options, commit: 'manual' });
      assert.deepEqual(values(await take(consumer, 2)), ['v0', 'v1']);
      await consumer.commit();
      await take(consumer, 2);
    }
    {
      await using consumer = await client.consumer({ ...options, commit: { every: 3 } });
      assert.deepEqual(values(await take(consumer, 5)), ['v2', 'v3', 'v4', 'v5', 'v6']);
    }
    await using consumer = await client.consumer(options);
    assert.equal((await take(consumer, 1))[0]?.value, 'v6');
  },

  async 'a group that starts late begins at the earliest, unless told otherwise'(backend: ContractBackend) {
    const topic = await backend.topic();
    await using client = await backend.connect();
    await produce(client, topic, ['old']);
    await using late = await client.consumer({
      mode: 'resumable',
      group: `late-${topic}`,
      from: 'latest',
      topics: topic,
      value: string(),
    });
    await using early = await client.consumer({
      mode: 'resumable',
      group: `early-${topic}`,
      topics: topic,
      value: string(),
    });
    await produce(client, topic, ['new']);
    assert.deepEqual(values(await take(early, 2)), ['old', 'new']);
    assert.deepEqual(values(await take(late, 1)), ['new']);
  },

  async 'a load-balanced group shares the records, each going to one member'(backend: ContractBackend) {
    const topic = await backend.topic(4);
    await using client = await backend.connect();
    const options = {
      mode: 'load-balanced',
      group: `share-${topic}`,
      topics: topic,
      value: string(),
      commit: 'each',
    } as const;
    const seen: string[][] = [[], []];
    const stop = new AbortController();
    const member = async (own: string[]): Promise<void> => {
      await using connection = await backend.connect();
      await using consumer = await connection.consumer(options);
      for await (const { value } of consumer.records({ signal: stop.signal })) {
        own.push(value);
        if (seen.flat().length >= 200 && new Set(seen.flat()).size === 200) stop.abort();
      }
    };
    const members = seen.map(async (own) => {
      try {
        await member(own);
      } catch (error) {
        if ((error as { code?: string }).code !== 'CLIENT_ABORTED') throw error;
      }
    });
    await using producer = await client.producer({ topic, value: string(), partitioner: 'round-robin' });
    for (const value of numbered(200)) {
      await producer.send({ value });
      if (stop.signal.aborted) break;
    }
    await Promise.all(members);
    assert.equal(new Set(seen.flat()).size, 200, 'none is lost');
  },

  async 'a member that leaves hands over what it has not processed'(backend: ContractBackend) {
    const topic = await backend.topic(2);
    await using client = await backend.connect();
    await using producer = await client.producer({ topic, value: string(), partitioner: 'round-robin' });
    await producer.sendAll(numbered(20).map((value) => ({ value })));
    const options = {
      mode: 'load-balanced',
      group: `leave-${topic}`,
      topics: topic,
      value: string(),
      commit: 'each',
    } as const;
    const seen: string[] = [];
    {
      await using consumer = await client.consumer(options);
      for await (const { value } of consumer) {
        if (seen.length === 5) break;
        seen.push(value);
      }
    }
    await using heir = await client.consumer(options);
    while (new Set(seen).size < 20) {
      const record = await heir.next({ signal: AbortSignal.timeout(20_000) });
      seen.push(record?.value ?? '');
    }
    assert.equal(new Set(seen).size, 20);
    assert.equal(seen.length, 20, 'what was processed and committed does not come again');
  },

  async 'abort ends the waiting and nothing else'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    await using consumer = await client.consumer({ topics: topic, value: string() });
    await assertQuiet(consumer);
    await assert.rejects(consumer.next({ signal: AbortSignal.abort('no') }), { code: 'CLIENT_ABORTED' });
    await produce(client, topic, ['after']);
    assert.deepEqual(values(await take(consumer, 1)), ['after']);
  },

  async 'close ends a loop that waits, and can be called twice'(backend: ContractBackend) {
    await using client = await backend.connect();
    const topic = await backend.topic();
    const consumer = await client.consumer({ topics: topic, value: string() });
    const loop = (async () => {
      for await (const record of consumer) assert.fail(`nothing was produced, got ${record.value}`);
    })();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await consumer.close();
    await consumer.close();
    await loop;
    await assert.rejects(consumer.seek('earliest'), { code: 'CLIENT_CLOSED' });
  },

  async 'topics are created, listed, described and deleted'(backend: ContractBackend) {
    const topic = await backend.topic(2);
    await using client = await backend.connect();
    assert.ok((await client.admin.listTopics()).includes(topic));
    await produce(client, topic, numbered(3), 1);
    const facts = await client.admin.describeTopic(topic);
    assert.deepEqual(
      facts.partitions.map((p) => [p.partition, p.endOffset - p.startOffset]),
      [
        [0, 0n],
        [1, 3n],
      ],
    );
    await client.admin.deleteTopic(topic);
    assert.ok(!(await client.admin.listTopics()).includes(topic));
    await assert.rejects(client.admin.describeTopic(topic), { code: 'CLIENT_TOPIC_NOT_FOUND' });
  },
} satisfies Record<string, (backend: ContractBackend) => Promise<void>>;
