/** `npm run build`: what is published, plain JavaScript with types in dist/. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { programOf } from './programs.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = path.join(ROOT, 'dist');

rmSync(DIST, { recursive: true, force: true });
const compiler = spawnSync(process.execPath, [programOf(ROOT, 'typescript', 'tsc'), '-p', 'tsconfig.build.json'], {
  cwd: ROOT,
  stdio: 'inherit',
});
if (compiler.status === 0) rewriteWorkerUrls();
process.exitCode = compiler.status ?? 1;

/** The compiler rewrites the endings of imports; workers are started by URL, which it does not know as one. */
function rewriteWorkerUrls(): void {
  for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const file = path.join(entry.parentPath, entry.name);
    const code = readFileSync(file, 'utf8');
    const rewritten = code.replaceAll(/(new URL\(\s*['"]\.[^'"]*)\.ts(['"],\s*import\.meta\.url)/g, '$1.js$2');
    if (rewritten !== code) writeFileSync(file, rewritten);
  }
}
