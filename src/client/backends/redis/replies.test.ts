/** Proves that replies are packed whatever pieces they come in, that records come out of them, and that hostile bytes end in errors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../../test/kit/properties.ts';
import { encodeAdd } from './add-command.ts';
import { decodeEntry, offsetOfId, offsetOfIdBytes } from './entry.ts';
import { decodeReply } from './entry-reply.ts';
import { ReplyPacker } from './reply-packer.ts';

const FIELD = Buffer.from('msg');

type Value = string | number | null | Error | readonly Value[];

function resp(value: Value): string {
  if (value === null) return '$-1\r\n';
  if (value instanceof Error) return `-ERR ${value.message}\r\n`;
  if (typeof value === 'number') return `:${value}\r\n`;
  if (typeof value === 'string') return `$${Buffer.byteLength(value, 'latin1')}\r\n${value}\r\n`;
  return `*${value.length}\r\n${value.map(resp).join('')}`;
}

function feed(text: string, cuts: readonly number[]): { packed: string; pieces: number } {
  const seen: Buffer[] = [];
  const packer = new ReplyPacker((piece) => seen.push(piece));
  const bytes = Buffer.from(text, 'latin1');
  let start = 0;
  for (const cut of [...cuts.map((each) => each % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)) {
    packer.push(bytes.subarray(start, cut));
    start = cut;
  }
  return { packed: Buffer.concat(seen).toString('latin1'), pieces: seen.length };
}

const { value: anyValue } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ maxLength: 20 }).map((text) => Buffer.from(text).toString('latin1')),
    fc.constantFrom('a\r\nb', '*3\r\n', ''),
    fc.integer({ min: -5, max: 1_000_000 }),
    fc.constant(null),
    fc.constantFrom(new Error('no such thing'), new Error('-1')),
    fc.array(tie('value'), { maxLength: 5 }),
  ),
}));

test('property: lists become one text each, all else stays as it is, whatever the pieces', () => {
  fc.assert(
    fc.property(fc.array(anyValue, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 40 }), (values, cuts) => {
      const expected = values.map((value) => {
        const text = resp(value);
        return Array.isArray(value) ? `$${text.length}\r\n${text}\r\n` : text;
      });
      const text = values.map(resp).join('');
      assert.equal(feed(text, cuts).packed, expected.join(''));
      assert.equal(
        feed(
          text,
          Array.from({ length: text.length }, (_, i) => i),
        ).packed,
        expected.join(''),
        'byte by byte',
      );
    }),
  );
});

test('what belongs to another version of the protocol goes through as it came, at once', () => {
  const text = `${resp(['a', 'b'])}%1\r\n+a\r\n*1\r\n$1\r\nx\r\n`;
  const { packed } = feed(text, [3, 20, 25]);
  assert.equal(packed, `$${resp(['a', 'b']).length}\r\n${resp(['a', 'b'])}\r\n%1\r\n+a\r\n*1\r\n$1\r\nx\r\n`);
  const nested = '*2\r\n$1\r\na\r\n_\r\n:1\r\n';
  assert.equal(feed(nested, [2, 9]).packed, nested);
});

test('a null list and errors stay what they are', () => {
  for (const text of ['*-1\r\n', '$-1\r\n', '-ERR *2\r\n', '+OK\r\n', ':12\r\n'])
    assert.equal(feed(text, [1, 2]).packed, text);
});

test('records come out of a reply; a stream that nobody asked for and entries without fields are left out', () => {
  const reply = resp([
    [
      't',
      [
        ['1700000000000-3', ['msg', 'one', 'ts', '5', 'h:a', 'x', 'n:b', '', 'w', 'z']],
        ['1700000000001-0', null],
      ],
    ],
    ['other', [['1-1', ['msg', 'x']]]],
    ['u', [['7-65535', ['key', 'k', 'msg', '']]]],
    ['empty', []],
  ]);
  const places = new Map([
    ['t', { topic: 'T', partition: 4 }],
    ['u', { topic: 'U', partition: 0 }],
    ['empty', { topic: 'E', partition: 0 }],
  ]);
  const [first, second, ...others] = decodeReply(Buffer.from(reply), (key) => places.get(key), FIELD);
  assert.equal(others.length, 0);
  assert.equal(first?.entryCount, 2);
  assert.equal(first?.lastOffset, offsetOfId('1700000000001-0'));
  assert.deepEqual(first?.records, [
    {
      topic: 'T',
      partition: 4,
      offset: offsetOfId('1700000000000-3'),
      timestamp: 5,
      key: null,
      value: view('one'),
      headers: [
        { key: 'a', value: view('x') },
        { key: 'b', value: null },
      ],
    },
  ]);
  const [record] = second?.records ?? [];
  assert.deepEqual([record?.timestamp, record?.key, record?.value], [7, view('k'), view('')], 'the id says the time');
});

test('property: the same record from a reply as from the library, and a CLIENT_ error from a damaged one', () => {
  const fields = fc.array(
    fc.tuple(fc.constantFrom('msg', 'key', 'ts', 'h:a', 'n:b', 'w', 'x'), fc.constantFrom('', '12', 'yz')),
    {
      maxLength: 6,
    },
  );
  const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.array(fields, { minLength: 1, maxLength: 4 }), change, (entries, [at, byte]) => {
      const flat = entries.map((pairs) => pairs.flat());
      const bytes = Buffer.from(resp([['t', flat.map((list, i) => [`17-${i}`, list])]]));
      const place = { topic: 't', partition: 0 };
      const [stream] = decodeReply(bytes, () => place, FIELD);
      const expected = flat.map((list, i) =>
        decodeEntry(
          't',
          0,
          Buffer.from(`17-${i}`),
          list.map((text) => Buffer.from(text)),
          FIELD,
        ),
      );
      assert.deepEqual(stream?.records, expected);
      bytes[at % bytes.length] = byte;
      try {
        decodeReply(bytes, () => place, FIELD);
      } catch (error) {
        assert.match((error as { code: string }).code, /^CLIENT_(DECODE_FAILED|UNSUPPORTED)$/);
      }
    }),
  );
});

test('ids as bytes are read as ids as text', () => {
  for (const id of ['0-0', '1700000000000-0', '1700000000000-65535', '281474976710655-1'])
    assert.equal(offsetOfIdBytes(Buffer.from(id)), offsetOfId(id));
  for (const id of ['1-65536', 'x-1', '1', '1-', '-1', '', '99999999999999999-1', '1-2x'])
    assert.throws(() => offsetOfIdBytes(Buffer.from(id)), { code: 'CLIENT_UNSUPPORTED' }, id);
});

test('the command that adds entries is what Redis reads', () => {
  const settings = { ids: 'auto', field: 'msg', maxLen: 0 } as const;
  const plain = { key: null, value: Buffer.from('a\r\nü'), headers: [], timestamp: 1_700_000_000_000 };
  const rich = { ...plain, key: Buffer.from('k'), value: null, headers: [{ key: 'ä', value: null }], timestamp: 9 };
  const [command, , keys, ...rest] = argsOf(
    encodeAdd('schlüssel', [plain, { ...plain, value: Buffer.from('b') }, { ...plain, timestamp: 7 }, plain], settings),
  );
  const value = 'a\r\nü';
  assert.deepEqual(
    [command, keys, ...rest],
    [
      ...['EVAL', '1', 'schlüssel', '0', 'msg'],
      ...['1700000000000', '2', value, 'b', '7', '1', value, '1700000000000', '1', value],
    ],
  );
  assert.deepEqual(argsOf(encodeAdd('t', [rich], { ...settings, ids: 'timestamp', maxLen: 5 })).slice(2), [
    ...['1', 't', '5', '9-*', '4', 'key', 'k', 'n:ä', ''],
  ]);
  const headers = Array.from({ length: 2000 }, (_, i) => ({ key: `h${i}`, value: null }));
  assert.equal(encodeAdd('t', [{ ...plain, headers }], settings), undefined, 'more than a script can pass on');
});

/** Arguments of a command as it stands on the wire. */
function argsOf(bytes: Buffer | undefined): string[] {
  const text = (bytes ?? assert.fail()).toString('latin1');
  const args: string[] = [];
  let at = text.indexOf('\r\n') + 2;
  while (at < text.length) {
    const end = text.indexOf('\r\n', at);
    const length = Number(text.slice(at + 1, end));
    args.push(Buffer.from(text.slice(end + 2, end + 2 + length), 'latin1').toString());
    assert.equal(text.slice(end + 2 + length, end + 4 + length), '\r\n');
    at = end + 4 + length;
  }
  assert.equal(text.slice(0, text.indexOf('\r\n')), `*${args.length}`);
  return args;
}

function view(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}
