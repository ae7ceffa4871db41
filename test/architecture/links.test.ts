/** Proves that relative links in the documents lead to files that are there. Headings and other sites are not checked. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from './source-tree.ts';

const LINK = /\]\(([^)#\s]+)(?:#[^)\s]*)?\)/g;

test('relative links lead somewhere', () => {
  const documents = [
    ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
    ...['docs', 'bench', 'examples'].flatMap((directory) =>
      readdirSync(path.join(ROOT, directory), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.md'))
        .map((name) => path.join(directory, name)),
    ),
  ];
  assert.ok(documents.length > 10);
  const broken = documents.flatMap((document) =>
    [...readFileSync(path.join(ROOT, document), 'utf8').matchAll(LINK)]
      .map((match) => match[1] ?? '')
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(path.join(ROOT, path.dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('examples/README.md names each program', () => {
  const page = readFileSync(path.join(ROOT, 'examples/README.md'), 'utf8');
  const programs = readdirSync(path.join(ROOT, 'examples')).filter((name) => /\.(?:ts|html)$/.test(name));
  assert.ok(programs.length > 20);
  assert.deepEqual(
    programs.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});
