/**
 * Proves the commands as a user runs them, each in a process of its own against a broker in another: what they print, what
 * they store, how they fail. The 1,707 earthquakes go in and come out byte for byte.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addPartitionsToTxn, initProducerId } from '../../src/wire/index.ts';
import { type Outcome, type RunningBroker, runMillrace, startBroker, startMillrace } from '../kit/millrace.ts';
import { RawClient } from '../kit/raw-client.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };
const FEED = fileURLToPath(new URL('../../examples/data/earthquakes.ndjson', import.meta.url));

const directory = new TempDirectory();
let broker: RunningBroker;

before(async () => {
  broker = await startBroker(path.join(directory.path, 'data'));
}, TIMEOUT);

after(async () => {
  broker.child.kill('SIGTERM');
  await broker.ended;
  directory[Symbol.dispose]();
}, TIMEOUT);

async function millrace(args: readonly string[], stdin = ''): Promise<Outcome> {
  return await runMillrace(args, { stdin, env: { MILLRACE_HTTP: broker.http } });
}

/** Runs a command that must succeed in silence on stderr. */
async function ok(args: readonly string[], stdin?: string): Promise<string> {
  const outcome = await millrace(args, stdin);
  assert.deepEqual([outcome.code, outcome.stderr], [0, ''], args.join(' '));
  return outcome.stdout;
}

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a topic gets more partitions, and never fewer', TIMEOUT, async () => {
  await ok(['topics', 'create', 'shop/grows', '--partitions', '2']);
  assert.equal(
    await ok(['topics', 'add-partitions', 'shop/grows', '--partitions', '5']),
    'shop.grows has 5 partitions\n',
  );
  assert.match(await ok(['topics', 'list', '--prefix', 'shop.grows']), /^shop\.grows +5$/m);
  const fewer = await millrace(['topics', 'add-partitions', 'shop/grows', '--partitions', '4']);
  assert.equal(fewer.code, 1);
  assert.match(fewer.stderr, /shop\.grows.*5/);
  await ok(['topics', 'delete', 'shop/grows']);
});

test('quotas are set, listed and taken away, and hold', TIMEOUT, async () => {
  assert.equal(
    await ok(['quotas', 'set', 'a b/c', '--produce', '1k', '--consume', '10m']),
    'a b/c: produce 1024 bytes/s, consume 10485760 bytes/s\n',
  );
  assert.equal(
    await ok(['quotas', 'set', '--default', '--consume', '50m']),
    'the default: produce without limit, consume 52428800 bytes/s\n',
  );
  assert.match(
    await ok(['quotas', 'list']),
    /^CLIENT ID +PRODUCE BYTES\/S +CONSUME BYTES\/S\n\(default\) +- +52428800\na b\/c +1024 +10485760\n$/,
  );
  const url = `http://${broker.http}/v1/topics/limited/records`;
  const headers = { 'content-type': 'application/json', 'millrace-client-id': 'a b/c' };
  const post = async (): Promise<number> => {
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ value: 'x'.repeat(5_000) }) });
    await answer.text();
    return answer.status;
  };
  assert.equal(await post(), 200);
  assert.equal(await post(), 429, 'it has written for five seconds to come');
  await ok(['quotas', 'delete', 'a b/c']);
  await ok(['quotas', 'delete', '--default']);
  assert.equal(await post(), 200);
  assert.equal(await ok(['quotas', 'list', '--json']), '');
  for (const [args, words] of [
    [['set', 'etl'], /give --produce, --consume or both/],
    [['set', '--produce', '1m'], /Name a client id, or give --default/],
    [['set', 'etl', '--default', '--produce', '1m'], /Name a client id, or give --default/],
    [['set', 'etl', '--produce', 'much'], /It must be a number of bytes/],
    [['delete'], /Name a client id, or give --default/],
  ] as const) {
    const outcome = await millrace(['quotas', ...args]);
    assert.equal(outcome.code, 2, args.join(' '));
    assert.match(outcome.stderr, words);
  }
});

test('topics are created, listed, described, configured and deleted', TIMEOUT, async () => {
  assert.equal(
    await ok(['topics', 'create', 'shop/orders', '--partitions', '3']),
    'created shop.orders with 3 partitions\n',
  );
  assert.equal(await ok(['topics', 'create', 'shop.orders', '--if-not-exists']), 'shop.orders exists\n');
  assert.match(await ok(['topics', 'list', '--prefix', 'shop/']), /^TOPIC +PARTITIONS\nshop\.orders +3\n$/);
  assert.equal(jsonLines(await ok(['topics', 'list', '--json', '--prefix', 'shop']))[0]?.['name'], 'shop.orders');
  assert.match(
    await ok(['topics', 'describe', 'shop/orders']),
    /3 partitions, 0 offsets\)\nPARTITION .*\n +0 +0 +0 +0 +0 +- +-\n/,
  );
  assert.match(
    await ok(['topics', 'config', 'shop/orders', 'max.message.bytes=2000000']),
    /max\.message\.bytes +2000000 +topic/,
  );
  assert.match(
    await ok(['topics', 'config', 'shop/orders', '--unset', 'max.message.bytes']),
    /max\.message\.bytes +\d+ +default/,
  );
  await ok(['topics', 'config', 'shop/orders', 'retention.ms=315360000000']);
  await ok(['produce', 'shop/orders', '--partition', '1', '--timestamp', '2026-01-01T00:00:00Z'], 'a\nb\nc\n');
  assert.match(
    await ok(['topics', 'describe', 'shop/orders']),
    /\n +1 +0 +3 +3 +\d+ +2026-01-01T00:00:00.000Z +2035-12-30T00:00:00.000Z\n/,
  );
  assert.equal(
    await ok(['topics', 'truncate', 'shop/orders', '--partition', '1', '--before', '2']),
    'shop/orders partition 1 starts at offset 2\n',
  );
  assert.match(
    await ok(['topics', 'truncate', 'shop/orders', '--before', '2026-01-01']),
    /partition 1 starts at offset 2\n/,
  );
  assert.equal(await ok(['topics', 'purge', 'shop/orders']), 'purged shop/orders, 3 partitions\n');
  assert.match(await ok(['topics', 'describe', 'shop/orders']), /\n +1 +3 +3 +0 +0 +- +-\n/);
  assert.equal(await ok(['topics', 'delete', 'shop/orders']), 'deleted shop/orders\n');
  assert.equal(await ok(['topics', 'delete', 'shop/orders', '--if-exists']), 'shop/orders does not exist\n');
});

test('the earthquakes go in and come out byte for byte', TIMEOUT, async () => {
  assert.equal(await ok(['produce', 'quakes', FEED]), 'wrote 1,707 records to quakes (partition 0 offsets 0-1706)\n');
  const feed = readFileSync(FEED, 'utf8');
  assert.equal(await ok(['consume', 'quakes']), feed);
  assert.equal(await ok(['consume', 'quakes', '--from', '-2']), feed.split('\n').slice(-3).join('\n'));
  assert.equal(await ok(['consume', 'quakes', '--from', '17', '--limit', '1']), `${feed.split('\n')[17]}\n`);
  assert.equal(await ok(['consume', 'quakes', '--from', 'latest']), '');
});

test('keys, headers, partitions and timestamps arrive; --json output goes back in with --ndjson', TIMEOUT, async () => {
  await ok(['topics', 'create', 'keyed', '--partitions', '4']);
  const head = ['--header', 'source=a=b', '--timestamp', '2026-01-02T03:04:05Z', '--partition', '2'];
  await ok(['produce', 'keyed', '--key-separator', ':', ...head], 'k1:v1\nk2:v:2\n');
  const [first, second] = jsonLines(await ok(['consume', 'keyed', '--json']));
  assert.deepEqual(first, {
    topic: 'keyed',
    partition: 2,
    offset: 0,
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5),
    key: 'k1',
    value: 'v1',
    headers: [{ name: 'source', value: 'a=b' }],
  });
  assert.equal(second?.['value'], 'v:2');
  await ok(['topics', 'create', 'copy', '--partitions', '4']);
  const written = jsonLines(
    await ok(['produce', 'copy', '--ndjson', '--json'], await ok(['consume', 'keyed', '--json'])),
  );
  assert.deepEqual(written, [
    { topic: 'copy', count: 2, partitions: [{ partition: 2, firstOffset: 0, lastOffset: 1, count: 2 }] },
  ]);
  assert.equal(await ok(['consume', 'copy', '--key-separator', '=']), 'k1=v1\nk2=v:2\n');
  assert.equal(await ok(['consume', 'copy', '--from', '2027-01-01T00:00:00Z']), '');
});

test('bytes and JSON values are stored as they are', TIMEOUT, async () => {
  const file = path.join(directory.path, 'bytes');
  writeFileSync(file, Buffer.from([0, 0xff, 10, 13]));
  await ok(['produce', 'bytes', file, '--whole', '--key', 'ü/ %']);
  const [record] = jsonLines(await ok(['consume', 'bytes', '--json']));
  assert.deepEqual([record?.['key'], record?.['valueBase64']], ['ü/ %', 'AP8KDQ==']);
  await ok(
    ['produce', 'values', '--ndjson'],
    '{"value":{"id": 12345678901234567890}}\n\n{"value":"text"}\n{"value":null,"key":"gone"}\n',
  );
  assert.equal(await ok(['consume', 'values']), '{"id": 12345678901234567890}\ntext\n\n');
});

test('writes on a condition, writes that happen once, and several topics in one commit', TIMEOUT, async () => {
  await ok(['produce', 'conditional', '--if-offset', '0'], 'a\nb\n');
  const lost = await millrace(['produce', 'conditional', '--if-offset', '1'], 'c\n');
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, /ends at offset 2 and not at 1.*BROKER_OFFSET_CONFLICT/);
  for (let i = 0; i < 2; i++) {
    const written = await ok(['produce', 'conditional', '--idempotency-key', 'k', '--if-offset', '0:2'], 'c\n');
    assert.equal(written, 'wrote 1 record to conditional (partition 0 offsets 2-2)\n');
  }
  const commit =
    '{"writes":[{"topic":"conditional","records":{"value":"d"}},{"topic":"other","records":[],"ifOffsetMatch":0}]}';
  assert.equal(
    await ok(['commit'], commit),
    'wrote 1 record to conditional (0:3)\nwrote 0 records to other (nowhere)\n',
  );
  assert.deepEqual(jsonLines(await ok(['commit', '--json', '--idempotency-key', 'c'], '{"writes":[]}')), [
    { writes: [] },
  ]);
  assert.equal(await ok(['consume', 'conditional']), 'a\nb\nc\n"d"\n');
});

test('what caused a record, and what it caused', TIMEOUT, async () => {
  await ok(['produce', 'cause'], 'a\n');
  await ok(['produce', 'effect', '--header', 'millrace-parent=cause/0/0'], 'b\n');
  await ok(
    ['produce', 'effect', '--header', 'millrace-parent=effect/0/0', '--header', 'millrace-parent=gone/0/1'],
    'c\n',
  );
  const table = await ok(['lineage', 'effect/0/0']);
  assert.match(table, /^DEPTH +TOPIC.*\n +-1 +cause +0 +0 +2.*Z\n +0 +effect +0 +0\n +1 +effect +0 +1 +2.*Z\n$/);
  const [page] = jsonLines(await ok(['lineage', 'effect/0/1', '--json']));
  const { ancestors } = (page ?? {}) as { ancestors?: unknown[] };
  assert.equal(ancestors?.length, 3);
  assert.equal((await millrace(['lineage', 'effect'])).code, 2);
  assert.equal((await millrace(['lineage', 'effect/0/9'])).code, 1);
});

test('pushes: made, shown, paused, resumed, changed, deleted', TIMEOUT, async () => {
  await ok(['produce', 'pushed'], 'a\nb\n');
  // Nobody listens on the discard port.
  const set = ['push', 'set', 'p', 'pushed', 'more/**', '--url', 'http://127.0.0.1:9/'];
  assert.equal(await ok(set), 'p delivers pushed, more/** to http://127.0.0.1:9/\n');
  assert.equal(await ok(['push', 'pause', 'p']), 'paused p\n');
  assert.match(await ok(['push', 'list']), /^ID +STATE +LAG +MATCH +URL\np +paused +2 +pushed, more\/\*\* +http/);
  const described = await ok(['push', 'describe', 'p']);
  assert.match(described, /^p \(paused, lag 2, 1 partition\)\npushed, more\/\*\* -> http:.*\n/);
  assert.match(described, /\npushed +0 +0 +2 +2 /);
  const changed = jsonLines(await ok([...set, '--max-attempts', '3', '--dead-letters', 'dead', '--json']));
  assert.deepEqual([changed[0]?.['maxAttempts'], changed[0]?.['deadLetterTopic']], [3, 'dead']);
  assert.equal(await ok(['push', 'resume', 'p']), 'resumed p\n');
  assert.equal(await ok(['push', 'delete', 'p']), 'deleted p\n');
  assert.equal((await millrace(['push', 'describe', 'p'])).code, 1);
  assert.equal((await millrace(['push', 'set', 'p', 't'])).code, 2);
  const refused = await millrace(['push', 'set', 'p', 't', '--url', 'http://10.0.0.1/']);
  assert.match(refused.stderr, /HTTP_WEBHOOK_URL_REJECTED/);
});

test('a follower gets what was there and what comes, until it is stopped or has enough', TIMEOUT, async () => {
  await ok(['produce', 'followed'], 'one\n');
  const follower = startMillrace(['consume', 'followed', '--from', 'earliest', '--follow', '--http', broker.http]);
  await follower.until(/^one\n/);
  await ok(['produce', 'followed'], 'two\n');
  await follower.until(/^one\ntwo\n/);
  follower.child.kill('SIGINT');
  assert.equal((await follower.ended).signal, 'SIGINT');
  const limited = startMillrace([
    'consume',
    'followed',
    '--from',
    '0',
    '--follow',
    '--limit',
    '2',
    '--http',
    broker.http,
  ]);
  assert.deepEqual(await limited.ended, { code: 0, signal: null, stdout: 'one\ntwo\n', stderr: '' });
});

test('topics by glob, in the order they were written, from any cursor, and followed', TIMEOUT, async () => {
  for (const [topic, value] of [
    ['sub/a', '1'],
    ['sub/b/c', '2'],
    ['other', '3'],
    ['sub/a', '4'],
  ] as const) {
    await ok(['produce', topic], `${value}\n`);
  }
  assert.equal(await ok(['subscribe', 'sub/**']), '1\n2\n4\n');
  assert.equal(await ok(['subscribe', 'sub/*', 'other', '--limit', '2']), '1\n3\n');
  const records = jsonLines(await ok(['subscribe', 'sub/**', '--json']));
  assert.deepEqual(
    records.map(({ topic }) => topic),
    ['sub.a', 'sub.b.c', 'sub.a'],
  );
  assert.equal(await ok(['subscribe', 'sub/**', '--from', String(records[0]?.['cursor'])]), '2\n4\n');
  assert.equal(await ok(['subscribe', 'sub/**', '--from', 'latest']), '');
  const following = ok(['subscribe', 'sub/**', '--follow', '--from', 'earliest', '--limit', '4']);
  await ok(['produce', 'sub/new'], '5\n');
  assert.equal(await following, '1\n2\n4\n5\n');
});

test('groups: consumed on from where they stand, described, reset, deleted', TIMEOUT, async () => {
  await ok(['topics', 'create', 'grouped', '--partitions', '2']);
  await ok(['produce', 'grouped', '--partition', '1', '--timestamp', '@1000'], 'a\nb\nc\n');
  assert.equal(await ok(['consume', 'grouped', '--group', 'readers', '--limit', '2']), 'a\nb\n');
  assert.equal(await ok(['consume', 'grouped', '--group', 'readers']), 'c\n');
  assert.match(await ok(['groups', 'list', '--prefix', 'read']), /^GROUP +TYPE +STATE\nreaders +classic +empty\n$/);
  assert.match(
    await ok(['groups', 'describe', 'readers']),
    /^readers \(classic, empty, epoch 0, 0 members\)\nTOPIC .*\ngrouped +0 +0 +0 +0 +-\ngrouped +1 +3 +3 +0 +-\n$/,
  );
  const dry = await ok(['groups', 'reset', 'readers', '--shift', '-2', '--topic', 'grouped:1', '--dry-run']);
  assert.match(dry, /^TOPIC +PARTITION +BEFORE +AFTER +BY\ngrouped +1 +3 +1 +-2\nwould move 1 offset of readers\n$/);
  assert.equal(await ok(['consume', 'grouped', '--group', 'readers']), '');
  assert.match(
    await ok(['groups', 'reset', 'readers', '--to', '@500']),
    /grouped +1 +3 +0 +-3\nmoved 1 offset of readers/,
  );
  assert.equal(await ok(['consume', 'grouped', '--group', 'readers', '--limit', '1']), 'a\n');
  const [reset] = jsonLines(await ok(['groups', 'reset', 'readers', '--to', 'earliest', '--json']));
  assert.deepEqual(reset?.['offsets'], [
    { topic: 'grouped', partition: 0, before: 0, after: 0, clamped: false },
    { topic: 'grouped', partition: 1, before: 1, after: 0, clamped: false },
  ]);
  const [described] = jsonLines(await ok(['groups', 'describe', 'readers', '--json']));
  assert.equal(described?.['state'], 'empty');
  assert.equal(await ok(['groups', 'delete', 'readers']), 'deleted readers\n');
  assert.equal(await ok(['groups', 'delete', 'readers', '--if-exists']), 'readers does not exist\n');
});

test('transactions: listed, described, aborted; one that is not there is an error', TIMEOUT, async () => {
  await ok(['topics', 'create', 'moved', '--partitions', '2']);
  using client = await RawClient.connect(broker.kafka);
  const id = { transactionalId: 'pipe/1', transactionTimeoutMs: 60_000 };
  const { producerId, producerEpoch } = await client.request(initProducerId, 4, id);
  await client.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'pipe/1',
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 'moved', partitions: [0, 1] }],
  });
  assert.match(
    await ok(['transactions', 'list', '--state', 'ongoing']),
    /^ID +STATE +PRODUCER +SINCE\npipe\/1 +ongoing +\d+ +20\S+Z\n$/,
  );
  assert.match(
    await ok(['transactions', 'describe', 'pipe/1']),
    /^pipe\/1: ongoing since \S+, producer \d+ epoch 0, timeout 60000 ms\n {2}moved: 0, 1\n$/,
  );
  assert.equal(await ok(['transactions', 'abort', 'pipe/1']), 'aborted the transaction of pipe/1\n');
  assert.equal(jsonLines(await ok(['transactions', 'list', '--json']))[0]?.['state'], 'aborted');
  const again = await millrace(['transactions', 'abort', 'pipe/1']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /No transaction of "pipe\/1" is open/);
});

test('a follower for a group commits what it printed, also when a signal ends it', TIMEOUT, async () => {
  await ok(['produce', 'grouped-follow'], 'one\ntwo\n');
  const args = [
    'consume',
    'grouped-follow',
    '--group',
    'tail',
    '--from',
    'earliest',
    '--follow',
    '--http',
    broker.http,
  ];
  const follower = startMillrace(args);
  await follower.until(/^one\ntwo\n/);
  follower.child.kill('SIGINT');
  assert.equal((await follower.ended).signal, 'SIGINT');
  const [described] = jsonLines(await ok(['groups', 'describe', 'tail', '--json']));
  assert.match(JSON.stringify(described?.['offsets']), /"partition":0,"offset":2,/);
  await ok(['produce', 'grouped-follow'], 'three\n');
  const limited = startMillrace([...args, '--limit', '1']);
  assert.deepEqual(await limited.ended, { code: 0, signal: null, stdout: 'three\n', stderr: '' });
  assert.equal(await ok(['consume', 'grouped-follow', '--group', 'tail']), '');
});

test('a reader that leaves is no failure', TIMEOUT, async () => {
  await ok(['produce', 'long', '--ack', 'written'], `${'x'.repeat(100)}\n`.repeat(20_000));
  const consumer = startMillrace(['consume', 'long', '--http', broker.http]);
  await consumer.until(/x/);
  consumer.child.stdout?.destroy();
  const { code, stderr } = await consumer.ended;
  assert.deepEqual([code, stderr], [0, '']);
});

test('refusals are one line with the code; exit code 1', TIMEOUT, async () => {
  const cases: [string[], RegExp][] = [
    [['topics', 'describe', 'absent'], /^error: .*absent.*`millrace topics create`.*\(BROKER_TOPIC_NOT_FOUND\)\n$/],
    [
      ['topics', 'create', 'x', '--config', 'retention.m=1'],
      /^error: .*Did you mean `retention\.ms`\? \(BROKER_CONFIG_INVALID\)\n$/,
    ],
    [['topics', 'create', 'a//b'], /^error: .*\(MODEL_TOPIC_NAME_INVALID\)\n$/],
    [['consume', 'absent'], /^error: .*\(BROKER_TOPIC_NOT_FOUND\)\n$/],
    [['consume', 'absent', '--group', 'g'], /^error: .*\(BROKER_TOPIC_NOT_FOUND\)\n$/],
    [['groups', 'describe', 'absent'], /^error: .*"absent".*\(BROKER_GROUP_NOT_FOUND\)\n$/],
    [['groups', 'delete', 'absent'], /^error: .*\(BROKER_GROUP_NOT_FOUND\)\n$/],
    [['groups', 'reset', 'absent', '--to', 'latest'], /^error: .*\(BROKER_GROUP_NOT_FOUND\)\n$/],
    [['produce', 'x', '/nonexistent'], /^error: There is no file or directory \/nonexistent\.\n$/],
    [
      ['topics', 'list', '--http', '127.0.0.1:1'],
      /^error: No broker answers at http:\/\/127\.0\.0\.1:1.*millrace serve.*\n$/,
    ],
  ];
  for (const [args, pattern] of cases) {
    const outcome = await millrace(args);
    assert.deepEqual([outcome.code, outcome.stdout], [1, ''], args.join(' '));
    assert.match(outcome.stderr, pattern);
  }
});

test('a wrong command line ends with exit code 2', TIMEOUT, async () => {
  const cases = [
    [],
    ['topic'],
    ['help', 'topic'],
    ['help', 'topic', 'create'],
    ['topics'],
    ['topics', 'create'],
    ['topics', 'create', 'x', '--partitions', '0'],
    ['consume', 'x', '--from', 'yesterday'],
    ['groups', 'reset', 'g'],
    ['groups', 'reset', 'g', '--to', 'latest', '--shift', '1'],
    ['groups', 'reset', 'g', '--to', 'latest', '--topic', 't:x'],
    ['produce', 'x', '--ndjson', '--key', 'k'],
    ['serve', '--sync', 'sometimes'],
    ['serve', '--kafka', '9092'],
    ['serve', '--set', 'no.such=1'],
    ['--no-such-option'],
  ];
  for (const args of cases) {
    const outcome = await millrace(args);
    assert.equal(outcome.code, 2, `${args.join(' ')}: ${outcome.stderr}`);
    assert.notEqual(outcome.stderr, '');
  }
});

test('help is there in every way to ask; src/cli/commands.test.ts looks at all of it', TIMEOUT, async () => {
  for (const args of [
    ['topics', 'create', '--help'],
    ['help', 'topics'],
    ['bench', 'produce', '-h'],
  ]) {
    const outcome = await millrace(args);
    assert.deepEqual([outcome.code, outcome.stderr], [0, ''], args.join(' '));
    assert.match(outcome.stdout, /^Usage: millrace /);
  }
  const verb = await millrace(['help', 'chunk', 'dump']);
  assert.match(verb.stdout, /^Usage: millrace chunk dump /);
});
