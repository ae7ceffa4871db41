/** Proves that everything public has a docstring, and that the reference made of them holds every export once. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { apiPages } from './api-pages.ts';
import { ENTRY_POINTS, publicExports } from './public-exports.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('every public export has a docstring', () => {
  for (const [entry, file] of Object.entries(ENTRY_POINTS)) {
    const exports = publicExports(ROOT, file);
    assert.ok(exports.length > 0, entry);
    const bare = exports
      .filter(({ doc }) => doc === '')
      .map(({ name, file: source }) => `${entry}: ${name} in ${source}`);
    assert.deepEqual(bare, []);
  }
});

test('every entry point of the package is in the reference, but for the tables of the protocol', () => {
  const manifest = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { exports: Record<string, unknown> };
  const published = Object.keys(manifest.exports).map((name) => name.replace(/^\./, 'millrace'));
  const left = published.filter((name) => !Object.hasOwn(ENTRY_POINTS, name));
  assert.deepEqual(left, ['millrace/wire', 'millrace/package.json']);
});

test('what is exported at run time is what the reference says', async () => {
  for (const [entry, file] of Object.entries(ENTRY_POINTS)) {
    const loaded = Object.keys((await import(`../${file}`)) as object).toSorted();
    const told = publicExports(ROOT, file).filter(({ isTypeOnly }) => !isTypeOnly);
    assert.deepEqual(told.map(({ name }) => name).toSorted(), loaded, entry);
  }
});

test('pages have each export, its signature without its body, and no inner parts', () => {
  const pages = apiPages(ROOT);
  const page = pages.get('millrace.md') ?? '';
  assert.match(page, /### Consumer\n/);
  assert.match(
    page,
    /- `async transactor\(this: Client<'exactly-once'>, options: TransactorOptions, abort: AbortOptions = \{\}\): Promise<Transactor>`/,
  );
  assert.doesNotMatch(page, /@internal|openConditionalWriter\(\): Promise<ConditionalWriter>`\n\n {2}@|#open/);
  assert.match(pages.get('README.md') ?? '', /\[`millrace\/process`\]\(millrace-process\.md\)/);
});
