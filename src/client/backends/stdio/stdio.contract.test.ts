/**
 * Proves that stdio:// keeps the contract of back ends as far as a pipe can, its line grammar, and real pipes between
 * processes (test/cli/relay.test.ts has those of the command line).
 */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { clientContract, take } from '../../../../test/kit/client-contract.ts';
import * as fc from '../../../../test/kit/properties.ts';
import { connect, raw, string } from '../../../sdk/index.ts';
import { parseHeader, parseLine } from './line.ts';
import { encodeLines } from './line-output.ts';
import { UsualHeader } from './usual-header.ts';

const NO_STORE = 'a pipe keeps nothing: who comes late has missed it';
const NO_SEEK = 'a pipe cannot go back';
const NO_COMMIT = 'a pipe has no committed positions';
const NOT_IN_A_LINE = 'the line grammar has no place for it';

clientContract('stdio://', {
  async open() {
    // What is written comes back in, as with a loop of pipes.
    const pipe = new PassThrough();
    let topics = 0;
    return {
      connect: async (named = []) =>
        await connect(`stdio:///${named.join(',')}`, { library: { input: pipe, output: pipe } }),
      topic: async () => `topic-${topics++}`,
      close: async () => void pipe.destroy(),
    };
  },
  skip: {
    'what the end was when the consumer opened is the end': 'a pipe ends when its writer closes it',
    'an empty topic ends at once': 'a pipe ends when its writer closes it',
    'latest sees only what comes from now on': 'lines that nobody read yet wait in the pipe',
    'JSON and bytes survive': 'bytes may have line feeds; JSON goes through all others',
    'text in many lines and scripts survives': 'a record is one line; a line feed is refused (tested below)',
    'keys and headers survive, and names of headers may repeat': NOT_IN_A_LINE,
    'tombstones survive': NOT_IN_A_LINE,
    'equal keys share a partition, and explicit partitions hold': NOT_IN_A_LINE,
    'only the partitions asked for are read, and assign changes them': NO_STORE,
    'seek by offset, by time and rewind': NO_SEEK,
    'a start by offset and by time': NO_SEEK,
    'a resumable consumer goes on after the last processed record': NO_COMMIT,
    'a batch is not committed before it was processed': NO_COMMIT,
    'commit by hand, every n, and never': NO_COMMIT,
    'a group that starts late begins at the earliest, unless told otherwise': NO_COMMIT,
    'a load-balanced group shares the records, each going to one member':
      'shared by sequence, but members that leave take their queue along (tested below)',
    'a member that leaves hands over what it has not processed': NO_COMMIT,
    'topics are created, listed, described and deleted': 'a pipe has no topics to manage',
  },
});

/** Header without what is missing, and payload as text. */
function parsed(text: string): [object, string] {
  const line = Buffer.from(text);
  const { header, payload: bytes } = parseLine(line, line.toString('latin1'));
  return [
    Object.fromEntries(Object.entries(header).filter(([, value]) => value !== undefined)),
    Buffer.from(bytes).toString(),
  ];
}

test('the line grammar', () => {
  const at = Date.UTC(2022, 0, 2, 3, 4, 5);
  const cases: [string, object, string][] = [
    ['a plain, raw message', {}, 'a plain, raw message'],
    ['{ "payload": "anything" }', {}, '{ "payload": "anything" }'],
    ['[2022-01-02T03:04:05] { "payload": 1 }', { timestamp: at }, '{ "payload": 1 }'],
    ['[2022-01-02T03:04:05.678 | my-fancy_topic.1] ["a"]', { timestamp: at + 678, key: 'my-fancy_topic.1' }, '["a"]'],
    ['[2022-01-02T03:04:05 | t | 123] p', { timestamp: at, key: 't', sequence: 123n }, 'p'],
    ['[2022-01-02T03:04:05 | t | 123 | 4] p', { timestamp: at, key: 't', sequence: 123n, shard: 4 }, 'p'],
    ['[t] p', { key: 't' }, 'p'],
    ['[t|7]p', { key: 't', sequence: 7n }, 'p'],
    ['[t | 7]  two spaces\r', { key: 't', sequence: 7n }, ' two spaces'],
    ['[t]', { key: 't' }, ''],
    ['[]', {}, '[]'],
    ['[1, 2, 3]', {}, '[1, 2, 3]'],
    ['[t | x] p', {}, '[t | x] p'],
    ['[t | 1 | 2 | 3] p', {}, '[t | 1 | 2 | 3] p'],
    ['[t | 2022-01-02T03:04:05] p', {}, '[t | 2022-01-02T03:04:05] p'],
    ['[2022-13-02T03:04:05] p', {}, '[2022-13-02T03:04:05] p'],
    ['[2022-01-02T03:04:05.678 | t | 123] p', { timestamp: at + 678, key: 't', sequence: 123n }, 'p'],
    ['[2022-01-02T03:04:06.000 | t | 124 | 4] p', { timestamp: at + 1000, key: 't', sequence: 124n, shard: 4 }, 'p'],
    ['[2022-01-02T03:05:05.000 | t2 | 5]\r', { timestamp: at + 60_000, key: 't2', sequence: 5n }, ''],
    [
      '[2022-01-02T03:04:05.000 | t | 12345678901234567890] p',
      { timestamp: at, key: 't', sequence: 12345678901234567890n },
      'p',
    ],
    ['[2022-01-02T03:04:05.000 | t | 1 | x] p', {}, '[2022-01-02T03:04:05.000 | t | 1 | x] p'],
    ['[2022-01-02T03:04:60.000 | t | 1] p', {}, '[2022-01-02T03:04:60.000 | t | 1] p'],
    ['[2022-13-02T03:04:05.000 | t | 1] p', {}, '[2022-13-02T03:04:05.000 | t | 1] p'],
    ['[2022-01-02T03:04:05.000 | t | ] p', {}, '[2022-01-02T03:04:05.000 | t | ] p'],
    ['[2022-01-02T03:04:05.000 | t | 1', {}, '[2022-01-02T03:04:05.000 | t | 1'],
    ['[unclosed p', {}, '[unclosed p'],
  ];
  for (const [line, header, rest] of cases) assert.deepEqual(parsed(line), [header, rest], line);
});

test('property: what was written is read, and no line breaks the reader', () => {
  const key = fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/);
  const sequences = fc.bigInt({ min: 0n, max: 2n ** 63n });
  const value = fc.uint8Array({ maxLength: 100 }).map((bytes) => bytes.map((byte) => (byte === 10 ? 11 : byte)));
  const times = fc.array(fc.nat({ max: 4e12 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(times, key, sequences, fc.nat(), value, (timestamps, name, first, shard, bytes) => {
      // A carriage return before the line feed belongs to the line end.
      const own = Uint8Array.from([...bytes, 0x2e]);
      const records = timestamps.map((timestamp) => ({ key: null, value: own, headers: [], timestamp }));
      const lines = encodeLines(records, name, first, shard).toString('latin1').split('\n');
      assert.equal(lines.pop(), '');
      for (const [index, text] of lines.entries()) {
        const { header, payload } = parseLine(Buffer.from(text, 'latin1'), text);
        const { timestamp, key: readKey, sequence, shard: readShard = 0 } = header;
        const expected = [timestamps[index], name, first + BigInt(index), shard];
        assert.deepEqual([timestamp, readKey, sequence, readShard], expected);
        assert.deepEqual(payload, own);
      }
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => void parseLine(Buffer.from(bytes), Buffer.from(bytes).toString('latin1'))),
  );
});

test('property: the usual header is read as the pattern reads it, whatever was read before', () => {
  const usual = new UsualHeader();
  const time = fc.nat({ max: 4e12 }).map((ms) => new Date(ms).toISOString().slice(0, -1));
  const part = fc.oneof(time, fc.constantFrom('t', 'other.key', 't t', '7', '0012', ' 7', '9'.repeat(18), '', 'x|y'));
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('] p', ']', '', ' ] p'),
      (parts, end) => {
        const inner = parts.join(' | ');
        const close = usual.parse(`ab[${inner}${end}`, 2);
        if (close < 0) return;
        assert.equal(close, 3 + inner.length);
        const { timestamp, key, sequence, shard } = usual;
        assert.deepEqual({ timestamp, key, sequence, shard }, parseHeader(inner));
      },
    ),
    { numRuns: 2000 },
  );
  assert.equal(usual.parse('[2026-11-25T10:00:00.000 | t | 1]', 0), 32, 'what programs write is the usual');
});

test('sequences: counted from 0, going on behind a given one; no key reaches everybody', {
  timeout: 60_000,
}, async () => {
  const input = new PassThrough();
  await using client = await connect('stdio:///t', { library: { input } });
  await using consumer = await client.consumer({ value: string() });
  await using other = await client.consumer({ topics: 'other', value: string() });
  input.end('[t] a\n[t | 7] b\n[t] c\nfor all\n[t|1|3] d\nlast, without a line feed');
  const records = await take(consumer, 6);
  assert.deepEqual(
    records.map(({ topic, partition, offset, value }) => [topic, partition, offset, value]),
    [
      ['t', 0, 0n, 'a'],
      ['t', 0, 7n, 'b'],
      ['t', 0, 8n, 'c'],
      ['broadcast', 0, 0n, 'for all'],
      ['t', 3, 1n, 'd'],
      ['broadcast', 0, 1n, 'last, without a line feed'],
    ],
  );
  assert.equal(await consumer.next(), undefined, 'the end of the input is the end');
  assert.deepEqual(
    (await take(other, 2)).map(({ value }) => value),
    ['for all', 'last, without a line feed'],
  );
});

test('group members share by sequence', { timeout: 60_000 }, async () => {
  const input = new PassThrough();
  await using client = await connect('stdio:///t', { library: { input } });
  const options = { mode: 'load-balanced', group: 'g', value: string() } as const;
  await using a = await client.consumer(options);
  await using b = await client.consumer(options);
  input.end('[t] 0\n[t] 1\n[t] 2\n[t] 3\n');
  assert.deepEqual(
    (await take(a, 9)).map(({ value }) => value),
    ['0', '2'],
  );
  assert.deepEqual(
    (await take(b, 9)).map(({ value }) => value),
    ['1', '3'],
  );
  await assert.rejects(client.consumer({ mode: 'resumable', group: 'g', value: string() }), {
    code: 'CLIENT_UNSUPPORTED',
  });
  await assert.rejects(a.seek('earliest'), { code: 'CLIENT_UNSUPPORTED' });
});

test('what no line can hold is refused; a reader that has gone is said so', { timeout: 60_000 }, async () => {
  const output = new PassThrough();
  await using client = await connect('stdio:///t', { library: { output } });
  await using producer = await client.producer({ value: raw() });
  await assert.rejects(producer.send({ value: Buffer.from('two\nlines') }), { code: 'CLIENT_ENCODE_FAILED' });
  await assert.rejects(producer.send({ value: Buffer.from('x'), topic: 'no key' }), { code: 'CLIENT_OPTION_INVALID' });
  await producer.send({ value: Buffer.from('x'), timestamp: 1_700_000_000_000 });
  assert.equal(String(output.read()), '[2023-11-14T22:13:20.000 | t | 0] x\n');
  output.destroy();
  await assert.rejects(producer.send({ value: Buffer.from('x') }), { code: 'CLIENT_CLOSED' });
});

test('a slow reader holds the input up, so memory is bounded', { timeout: 60_000 }, async () => {
  const input = new PassThrough();
  await using client = await connect('stdio:///t', { library: { input } });
  await using consumer = await client.consumer({ value: string() });
  const line = `[t] ${'x'.repeat(50)}\n`;
  let written = 0;
  while (written < 200_000 && input.write(line.repeat(1000))) {
    written += 1000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(written < 50_000, `the writer is held up, not after ${written} lines`);
  assert.equal((await take(consumer, 1000)).length, 1000);
});
