/** The packed list against an array of rows: appends that merge or not, files dropped from the front, look-ups between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { ExtentList, ExtentPool, MAX_MERGED_EXTENT_BYTES } from './extent-list.ts';

interface Row {
  base: number;
  end: number;
  file: number;
  position: number;
  size: number;
  latest: number;
}

function rowsOf(list: ExtentList): Omit<Row, 'end'>[] {
  return Array.from({ length: list.count }, (_, i) => ({
    base: list.baseOffset(i),
    file: list.file(i),
    position: list.position(i),
    size: list.sizeBytes(i),
    latest: list.maxTimestamp(i),
  }));
}

test('appends, merges, drops and look-ups agree with an array', () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 5 }),
        size: fc.oneof(fc.integer({ min: 61, max: 500 }), fc.integer({ min: 61, max: MAX_MERGED_EXTENT_BYTES })),
        gap: fc.constantFrom(0, 0, 100),
        latest: fc.integer({ min: -1, max: 50 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), back: fc.nat(2) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const list = new ExtentList(new ExtentPool());
      let model: Row[] = [];
      let file = 1;
      let position = 64;
      let end = 0;
      for (const one of steps) {
        if (one.kind === 'roll') {
          file += 1;
          position = 64;
        } else if (one.kind === 'drop') {
          list.dropThrough(file - one.back);
          model = model.filter((row) => row.file > file - one.back);
        } else {
          position += one.gap;
          list.append(end, file, position, one.size, one.latest);
          const last = model.at(-1);
          if (
            last !== undefined &&
            last.file === file &&
            last.position + last.size === position &&
            last.size + one.size <= MAX_MERGED_EXTENT_BYTES
          ) {
            last.size += one.size;
            last.latest = Math.max(last.latest, one.latest);
            last.end += one.count;
          } else model.push({ base: end, end: end + one.count, file, position, size: one.size, latest: one.latest });
          position += one.size;
          end += one.count;
        }
        assert.deepEqual(
          rowsOf(list),
          model.map(({ base, file: of, position: at, size, latest }) => ({
            base,
            file: of,
            position: at,
            size,
            latest,
          })),
        );
        const first = model[0]?.base ?? end;
        assert.equal(list.find(first - 1), -1);
        for (let offset = first; offset < end; offset++) {
          assert.equal(
            list.find(offset),
            model.findIndex((row) => offset < row.end),
          );
        }
      }
    }),
  );
});
