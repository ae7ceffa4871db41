/** Proves the bundle of this checkout: it is made of what a broker and its workers run, and finds pages and the manifest beside the sources. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { bundledEntry } = createRequire(import.meta.url)('../../bin/bundle.cjs') as {
  bundledEntry: (root: string, entry: string) => string | undefined;
};

test('the bundle of this checkout', { timeout: 60_000 }, async (t) => {
  const made = spawnSync(process.execPath, ['scripts/bundle.ts'], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const entry = bundledEntry(ROOT, 'cli/main');
  assert.ok(entry !== undefined, 'it is current');
  const directory = path.join(path.dirname(entry), '..');
  const files = [entry, ...filesIn(path.join(directory, 'parts')), ...filesIn(path.join(directory, 'workers'))];
  const code = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));

  await t.test('each URL of a module is that of its source', () => {
    const urls = [...code].flatMap(([file, text]) =>
      [...text.matchAll(/new URL\("([^"]+)", import\.meta\.url\)\.href/g)].map(([, relative = '']) =>
        fileURLToPath(new URL(relative, pathToFileURL(file))),
      ),
    );
    assert.ok(urls.length > 5, 'there are some');
    for (const file of urls) assert.ok(file.startsWith(path.join(ROOT, 'src')) && existsSync(file), file);
  });

  await t.test('each worker thread that a broker starts runs from it', () => {
    const workers = [...code].flatMap(([file, text]) =>
      [...text.matchAll(/new URL\("(\.\.\/workers\/[^"]+)", import\.meta\.url\)/g)].map(([, relative = '']) =>
        path.relative(directory, fileURLToPath(new URL(relative, pathToFileURL(file)))),
      ),
    );
    const sources = ['broker.checkpoints.worker', 'broker.compaction.worker', 'server.tier.worker'];
    for (const name of [...sources, 'broker.decompressor.decompress-worker'])
      assert.ok(workers.includes(path.join('workers', `${name}.mjs`)), name);
    for (const file of workers) assert.ok(existsSync(path.join(directory, file)), file);
    assert.ok([...code.values()].every((text) => !text.includes('workerModule(new URL')));
    const fallbacks = [...code.values()].flatMap((text) => [
      ...text.matchAll(/"\.\.\/workers\/[^\]]+new URL\("([^"]+)"/g),
    ]);
    assert.ok(fallbacks.length >= 4);
    for (const [, source = ''] of fallbacks) assert.ok(existsSync(path.join(directory, 'parts', source)), source);
  });

  await t.test('no module of ours is loaded beside it, and no package twice', () => {
    const imports = [...code.values()].flatMap((text) =>
      [...text.matchAll(/^(?:import|export)\b[^'"]*["']([^'"]+)["']/gm)].map(([, name = '']) => name),
    );
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: object;
      peerDependencies: object;
    };
    const known = [...Object.keys(dependencies), ...Object.keys(peerDependencies)];
    const unknown = imports.filter(
      (name) => !/^(node:|\.)/.test(name) && !known.includes(name.split('/', name.startsWith('@') ? 2 : 1).join('/')),
    );
    assert.deepEqual(unknown, []);
    assert.deepEqual(
      imports.filter((name) => name === 'fastify' || name === 'commander'),
      [],
    );
  });

  await t.test('the command runs', () => {
    const version = spawnSync(process.execPath, ['bin/millrace', '--version'], { cwd: ROOT, encoding: 'utf8' });
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

function filesIn(directory: string): string[] {
  return readdirSync(directory).map((name) => path.join(directory, name));
}
