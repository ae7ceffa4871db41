/** Ranges against an array: find and drop; ranges out of order are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { type FileRange, FileRanges } from './file-ranges.ts';

test('find and dropBefore agree with an array', () => {
  const gaps = fc.array(fc.record({ skip: fc.nat(2), count: fc.integer({ min: 1, max: 4 }) }), { maxLength: 20 });
  fc.assert(
    fc.property(gaps, fc.nat(60), (rows, before) => {
      const ranges = new FileRanges();
      const model: FileRange[] = [];
      let end = 0;
      let file = 0;
      for (const { skip, count } of rows) {
        file += skip + 1;
        const range = {
          file,
          baseOffset: end,
          endOffset: end + count,
          firstRow: file * 2,
          rowCount: 1,
          maxTimestamp: -1,
          sizeBytes: 10,
        };
        ranges.append(range);
        model.push(range);
        end += count;
      }
      for (let offset = 0; offset <= end; offset++) {
        const at = model.findIndex((range) => range.endOffset > offset);
        assert.equal(ranges.find(offset), at < 0 ? model.length : at);
      }
      ranges.dropBefore(before);
      const left = model.filter((range) => range.endOffset > before);
      assert.deepEqual(
        Array.from({ length: ranges.count }, (_, i) => ranges.at(i)),
        left,
      );
      assert.deepEqual(
        Array.from({ length: ranges.count }, (_, i) => ranges.file(i)),
        left.map((range) => range.file),
      );
    }),
  );
});

// Two files whose ranges were taken in at the same time came in the wrong order, and a search missed what it held.
test('a range that is not behind the last one is refused', () => {
  const ranges = new FileRanges();
  const range = { file: 2, baseOffset: 10, endOffset: 20, firstRow: 0, rowCount: 1, maxTimestamp: 0, sizeBytes: 1 };
  ranges.append(range);
  assert.throws(() => ranges.append({ ...range, file: 1, baseOffset: 0, endOffset: 10 }), MillraceError);
});
