/** Proves that lines come out the same however the bytes are cut into pieces, and that a line without end is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { readLines } from './read-lines.ts';

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let start = 0;
  for (let index = 0; start < bytes.length; index++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[index % sizes.length] ?? 1);
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

test('lines do not depend on the pieces', async () => {
  const lineArbitrary = fc.array(
    fc.string({ maxLength: 8 }).map((text) => text.replaceAll('\n', '')),
    { maxLength: 12 },
  );
  const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(lineArbitrary, sizesArbitrary, fc.boolean(), async (lines, sizes, ended) => {
      // Without a feed at the end, an empty last line is no line.
      const expected = ended || lines.at(-1) !== '' ? lines : lines.slice(0, -1);
      const text = lines.join('\n') + (ended && lines.length > 0 ? '\n' : '');
      const found: string[] = [];
      for await (const block of readLines(cut(Buffer.from(text), sizes), 'input')) {
        assert.equal(block.firstLine, found.length + 1);
        found.push(...block.lines.map(String));
      }
      assert.deepEqual(found, expected);
    }),
  );
});

async function readAll(text: string, maxLineBytes: number): Promise<void> {
  for await (const block of readLines(cut(Buffer.from(text), [10]), 'input', maxLineBytes)) void block;
}

test('a line beyond the limit is refused with its number, before it is gathered', async () => {
  const reading = readAll(`a\nb\n${'x'.repeat(100)}`, 20);
  await assert.rejects(reading, { code: 'MODEL_RECORD_INVALID', message: /^Line 3 of input is longer than 20 bytes/ });
});
