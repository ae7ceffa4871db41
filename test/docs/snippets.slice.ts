/** Proves that the TypeScript of the README and of the SDK's pages compiles as it stands there. What a page leaves to the reader is declared below. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = ['README.md', 'docs/sdk.md', 'docs/process.md', 'docs/aggregates.md'];

/** Entry points, as package.json has them, and where their sources are. */
const ENTRIES: Readonly<Record<string, string>> = {
  millrace: 'src/sdk/index.ts',
  'millrace/aggregate': 'src/aggregate/index.ts',
  'millrace/broker': 'src/server/index.ts',
  'millrace/encryption': 'src/client/encryption/index.ts',
  'millrace/msgpack': 'src/client/msgpack/index.ts',
  'millrace/process': 'src/process/index.ts',
};

/** Names that a later piece of a page takes from an earlier one's imports. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  millrace: ['connect', 'json', 'string'],
  'millrace/process': ['compacted', 'from', 'into', 'pipe', 'postgresOffsets', 'reduce', 'sqliteOffsets'],
  'node:sqlite': ['DatabaseSync'],
  pg: ['Pool', 'type PoolClient'],
};

const LEFT_TO_THE_READER = `
import type { Client } from '${path.join(ROOT, 'src/sdk/index.ts')}';
import type { Pipeline } from '${path.join(ROOT, 'src/process/index.ts')}';
declare global {
  interface Order { readonly id: string; readonly total: number }
  interface BigOrder { readonly id: string; readonly total: string }
  interface Bill { readonly id: string }
  interface Card { readonly number: string }
  const client: Client;
  const pipeline: Pipeline<'exactly-once'>;
  const order: Order;
  const newKey: Uint8Array;
  const oldKey: Uint8Array;
  function bill(order: Order): Bill;
}
`;

test('the TypeScript of README.md and of the pages on the SDK compiles', { timeout: 120_000 }, async () => {
  const cache = path.join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(path.join(cache, 'snippets-'));
  try {
    let count = 0;
    for (const page of PAGES) {
      for (const [index, snippet] of snippetsOf(page).entries()) {
        writeFileSync(path.join(directory, `${page.replaceAll('/', '-')}-${index + 1}.ts`), withImports(snippet));
        count += 1;
      }
    }
    assert.ok(count >= 10, `only ${count} pieces were found`);
    writeFileSync(path.join(directory, 'reader.d.ts'), LEFT_TO_THE_READER);
    writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify(settings()));
    assert.equal(await compile(directory), '');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function snippetsOf(page: string): string[] {
  const text = readFileSync(path.join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, snippet = '']) => snippet);
}

function withImports(snippet: string): string {
  const lines = Object.entries(IMPORTS).flatMap(([module, names]) => {
    const needed = names.filter((name) => {
      const word = new RegExp(`\\b${name.replace('type ', '')}\\b`);
      return word.test(snippet) && !new RegExp(`import \\{[^}]*${word.source}[^}]*\\}`).test(snippet);
    });
    return needed.length === 0 ? [] : [`import { ${needed.join(', ')} } from '${module}';`];
  });
  return [...lines, snippet, 'export {};\n'].join('\n');
}

function settings(): object {
  const paths = Object.entries(ENTRIES).map(([name, file]) => [name, [path.join(ROOT, file)]]);
  return {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      paths: Object.fromEntries(paths),
      // A piece of a page may leave what it makes to the next.
      noUnusedLocals: false,
      noPropertyAccessFromIndexSignature: false,
    },
    include: ['*.ts'],
  };
}

/** What the compiler says; nothing where all is well. */
async function compile(directory: string): Promise<string> {
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  return await new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', directory, '--noEmit', '--pretty', 'false'], (error, stdout, stderr) => {
      resolve(error === null ? '' : `${stdout}${stderr}`.replaceAll(`${directory}/`, ''));
    });
  });
}
