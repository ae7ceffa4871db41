/**
 * `npm run docs`: the reference of all public entry points, in docs/api/, from the docstrings of the sources. It is made with
 * every published package, and is not kept in the repository.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiPages } from './api-pages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TARGET = path.join(ROOT, 'docs/api');

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
const pages = apiPages(ROOT);
for (const [name, text] of pages) writeFileSync(path.join(TARGET, name), text);
process.stdout.write(`docs/api: ${pages.size} pages\n`);
