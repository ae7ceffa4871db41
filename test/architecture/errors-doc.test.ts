/** Proves that docs/errors.md explains each error code once, with the kind that the table in the source gives it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ERROR_KINDS } from '../../src/base/errors.ts';
import { ROOT } from './source-tree.ts';

test('docs/errors.md lists exactly the codes of src/base/errors.ts, with their kinds', () => {
  const text = readFileSync(path.join(ROOT, 'docs/errors.md'), 'utf8');
  const listed = [...text.matchAll(/^\| `([A-Z0-9_]+)` \| ([a-z-]+) \|/gm)].map((row) => `${row[1]} ${row[2]}`);
  const known = Object.entries(ERROR_KINDS).map(([code, kind]) => `${code} ${kind}`);
  assert.deepEqual(listed.toSorted(), known.toSorted());
});
