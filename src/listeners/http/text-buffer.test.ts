/** Proves that fields come out as JSON.stringify would have them, wherever they lie in memory, and numbers as String would. */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { test } from 'node:test';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { Collector } from './collector.ts';
import { TextBuffer } from './text-buffer.ts';

function textOf(buffer: TextBuffer): string {
  return buffer.view.toString('utf8');
}

test('every byte at every place of a word, as JSON', () => {
  for (let byte = 0; byte < 256; byte++) {
    for (let size = 1; size <= 9; size++) {
      for (let at = 0; at < size; at++) {
        const bytes = Buffer.alloc(size + 2, 'x');
        bytes[at + 1] = byte;
        const into = new TextBuffer();
        into.text('123'.slice(0, at % 4));
        const before = into.length;
        const written = into.jsonString(bytes, 1, size + 1);
        const field = bytes.subarray(1, size + 1);
        assert.equal(written, isUtf8(field));
        const expected = written ? JSON.stringify(field.toString('utf8')) : '';
        assert.equal(textOf(into).slice(before), expected, `byte ${byte} at ${at} of ${size}`);
        into.release();
      }
    }
  }
});

test('long texts, two in a row, ASCII and not', () => {
  const random = new SeededRandom(7);
  const alphabets = ['abc', 'ab"', 'a\\b', 'a\u0000\n', '\u00e9\ufffd\ud83d\ude00', 'ab\u007f'];
  for (let round = 0; round < 200; round++) {
    const letters = Array.from(alphabets[round % alphabets.length] as string);
    const text = Array.from({ length: random.below(20_000) }, () => letters[random.below(letters.length)]).join('');
    const bytes = Buffer.from(text);
    const into = new TextBuffer();
    into.text(text);
    into.raw(bytes);
    into.literal(bytes);
    assert.equal(into.jsonString(bytes, 0, bytes.length), true);
    assert.equal(textOf(into), `${text.repeat(3)}${JSON.stringify(text)}`);
    into.release();
  }
});

test('numbers', () => {
  const into = new TextBuffer();
  const numbers = [0, 1, 9, 10, 99, 100, 99_999_999, 100_000_000, 100_000_001, 1_764_126_000_000, 2 ** 53 - 1, -1];
  for (let power = 1; power < 2 ** 53; power *= 10) numbers.push(power, power - 1, -power);
  for (const number of numbers) {
    into.truncate(0);
    into.integer(number);
    assert.equal(textOf(into), String(number + 0));
  }
  into.release();
});

test('memory that is given back is used again, and by one only', () => {
  const [one, other] = [new TextBuffer(), new TextBuffer()];
  one.text('x'.repeat(5_000));
  one.release();
  one.release();
  other.text('a'.repeat(100));
  one.text('b'.repeat(100));
  assert.deepEqual([textOf(other), textOf(one)], ['a'.repeat(100), 'b'.repeat(100)]);
  assert.notEqual(one.view.buffer, other.view.buffer);
});

test('a collector drops a record that was begun and not added', () => {
  const collector = new Collector({ records: 3, bytes: 1_000 }, ',');
  collector.next.text('{}');
  assert.equal(collector.added(), true);
  collector.next.text('half');
  collector.next.text('[]');
  assert.equal(collector.added(), true);
  collector.next.text('half');
  assert.deepEqual([collector.takeText(), collector.count], ['{},[]', 2]);
});
