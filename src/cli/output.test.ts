/** Proves the layout of tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable, plural } from './output.ts';

test('columns align, numbers to the right', () => {
  const table = formatTable(
    ['TOPIC', 'PARTITIONS'],
    [
      ['a', 1],
      ['shop.orders', 12],
    ],
  );
  assert.equal(table, 'TOPIC        PARTITIONS\na                     1\nshop.orders          12\n');
  assert.equal(formatTable(['TOPIC', 'PARTITIONS'], []), 'TOPIC  PARTITIONS\n');
  assert.equal(`${plural(1, 'record')} ${plural(1707, 'record')}`, '1 record 1,707 records');
});
