/**
 * Proves the bootstrap on a small package of its own: an old Node.js (which the parent pretends to be) hands over to the one
 * in .runtime/, with streams, signals and exit code; what is missing is said clearly. Real installs are CI's clean clone.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin', import.meta.url));
const TIMEOUT = { timeout: 60_000 };

/** Counts the signals it gets; SIGTERM ends it with exit code 7. */
const PROGRAM = `
const args: string[] = process.argv.slice(2);
if (args[0] === 'fail') process.exit(3);
if (args[0] === 'abort') process.kill(process.pid, 'SIGKILL');
process.on('SIGINT', () => console.log('SIGINT'));
process.on('SIGTERM', () => { console.log('SIGTERM'); setTimeout(() => process.exit(7), 50); });
process.stdin.on('data', (data) => console.log('stdin ' + data));
console.log('started ' + process.pid + ' ' + args.join(' ') + ' ' + process.env['UV_THREADPOOL_SIZE']);
setTimeout(() => process.exit(9), 20_000);
`;

const NO_BUNDLE = '{"directory":"","entries":[],"sources":[]}';

let root = '';
let oldNode = '';

before(() => {
  root = mkdtempSync(path.join(tmpdir(), 'millrace-bootstrap-'));
  cpSync(BIN, path.join(root, 'bin'), { recursive: true });
  write('src/cli/main.ts', PROGRAM);
  write('package.json', '{"type":"module"}');
  write('package-lock.json', '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"}}}');
  write('node_modules/.package-lock.json', '{"packages":{"node_modules/a":{"version":"1.0.0"}}}');
  oldNode = write('old-node.cjs', "Object.defineProperty(process.versions, 'node', { value: '14.21.3' });");
  const runtime = `.runtime/node_modules/node-${process.platform}-${process.arch}`;
  write(`${runtime}/package.json`, '{"version":"26.10.0"}');
  mkdirSync(path.join(root, runtime, 'bin'));
  symlinkSync(process.execPath, path.join(root, runtime, 'bin/node'));
  write('.runtime/bundle.json', NO_BUNDLE);
});

after(() => rmSync(root, { recursive: true, force: true }));

test('under an old Node.js the program runs in the newer one and gets each signal once', TIMEOUT, async () => {
  const run = start(['one', 'two']);
  await run.until(/started \d+ one two 16\n/);
  run.child.stdin?.write('hello');
  await run.until(/stdin hello/);
  run.child.kill('SIGINT');
  await run.until(/SIGINT\n/);
  run.child.kill('SIGTERM');
  assert.deepEqual(await run.ended, [7, null]);
  assert.match(run.output(), /SIGINT\nSIGTERM\n$/);
  assert.equal(run.errors(), '');
});

test('exit codes and deaths by signal pass through', TIMEOUT, async () => {
  assert.deepEqual(await start(['fail']).ended, [3, null]);
  assert.deepEqual(await start(['abort']).ended, [null, 'SIGKILL']);
});

test('the program stops when its parent is killed', TIMEOUT, async () => {
  const run = start(['orphan']);
  await run.until(/started/);
  run.child.kill('SIGKILL');
  // Its end of the pipe stays open in the program, so the output goes on after the parent's death.
  await run.until(/SIGTERM\n/);
});

test('a new enough Node.js runs the program itself', TIMEOUT, async () => {
  const run = start(['itself'], { preload: false });
  await run.until(/started/);
  assert.match(run.output(), new RegExp(`started ${run.child.pid} itself 16`));
  run.child.kill('SIGTERM');
  assert.deepEqual(await run.ended, [7, null]);
});

test('dependencies that are not there, and no npm to fetch them, are said in one line', TIMEOUT, async () => {
  const bare = path.join(root, 'bare');
  cpSync(path.join(root, 'bin'), path.join(bare, 'bin'), { recursive: true });
  write('bare/src/cli/main.ts', '');
  write('bare/package.json', '{"type":"module"}');
  write('bare/package-lock.json', '{"packages":{"node_modules/a":{"version":"1.0.0"}}}');
  const run = start([], { in: bare, env: { PATH: '/nonexistent' } });
  assert.deepEqual(await run.ended, [1, null]);
  assert.match(run.errors(), /npm was not found in PATH.*Install npm and try again\.\n$/);
});

test('a failing npm is named, with what to check', TIMEOUT, async () => {
  const fakeNpm = write('fake/npm', '#!/bin/sh\necho "npm error network" >&2\nexit 1\n');
  chmodSync(fakeNpm, 0o755);
  const run = start([], { in: path.join(root, 'bare'), env: { PATH: `${path.dirname(fakeNpm)}:/bin:/usr/bin` } });
  assert.deepEqual(await run.ended, [1, null]);
  assert.match(
    run.errors(),
    /npm error network\n.*could not install the dependencies \(exit code 1.*Check the network/,
  );
});

test('a published package says which Node.js it needs', TIMEOUT, async () => {
  const published = path.join(root, 'published');
  cpSync(path.join(root, 'bin'), path.join(published, 'bin'), { recursive: true });
  write('published/dist/cli/main.js', "console.log('from dist');");
  write('published/package.json', '{"type":"module"}');
  const refused = start([], { in: published });
  assert.deepEqual(await refused.ended, [1, null]);
  assert.match(refused.errors(), /needs Node\.js 22\.22 or later, and this is 14\.21\.3/);
  const runs = start([], { in: published, preload: false });
  assert.deepEqual(await runs.ended, [0, null]);
  assert.equal(runs.output(), 'from dist\n');
});

test('a bundle is used while it is that of the sources, unless stacks are asked for', TIMEOUT, async () => {
  const checkout = path.join(root, 'checkout');
  writeCheckout('checkout');
  const source = path.join(checkout, 'src/cli/main.ts');
  write('checkout/.runtime/bundle-1/cli/main.mjs', "console.log('from the bundle');");
  const { size, mtimeMs } = statSync(source);
  const manifest = { directory: 'bundle-1', entries: ['cli/main'], sources: [['src/cli/main.ts', size, mtimeMs]] };
  write('checkout/.runtime/bundle.json', JSON.stringify(manifest));
  const printed = async (...args: string[]): Promise<string> => {
    const run = start(args, { in: checkout, preload: false });
    assert.deepEqual(await run.ended, [0, null]);
    assert.equal(run.errors(), '');
    return run.output();
  };
  assert.equal(await printed(), 'from the bundle\n');
  assert.equal(await printed('--debug'), 'from the sources\n');
  utimesSync(source, new Date(), new Date(mtimeMs + 1));
  assert.equal(await printed(), 'from the sources\n');
  utimesSync(source, new Date(), new Date(mtimeMs));
  write('checkout/.runtime/bundle.json', JSON.stringify({ ...manifest, directory: 'bundle-gone' }));
  assert.equal(await printed(), 'from the sources\n');
});

test('sources that cannot be bundled run all the same, and it is said once', TIMEOUT, async () => {
  const checkout = path.join(root, 'unbundled');
  writeCheckout('unbundled');
  write('unbundled/scripts/bundle.ts', "throw new Error('no bundler');");
  const first = start([], { in: checkout, preload: false });
  assert.deepEqual(await first.ended, [0, null]);
  assert.match(first.errors(), /could not be bundled, so commands start more slowly[\s\S]*no bundler/);
  assert.equal(first.output(), 'from the sources\n');
  const second = start([], { in: checkout, preload: false });
  assert.deepEqual(await second.ended, [0, null]);
  assert.equal(second.errors(), '');
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  output(): string;
  errors(): string;
  until(pattern: RegExp): Promise<void>;
}

/** Runs bin/millrace, with `preload` as an old Node.js. */
function start(
  args: readonly string[],
  options: { preload?: boolean; in?: string; env?: Record<string, string> } = {},
): Run {
  const preload = options.preload === false ? [] : ['--require', oldNode];
  const { npm_execpath: _ignored, ...inherited } = process.env;
  const child = spawn(process.execPath, [...preload, path.join(options.in ?? root, 'bin/millrace'), ...args], {
    env: { ...inherited, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return {
    child,
    ended: once(child, 'close') as Promise<[number | null, string | null]>,
    output: () => output,
    errors: () => errors,
    async until(pattern) {
      while (!pattern.test(output)) await once(child.stdout, 'data');
    },
  };
}

/** One whose program tells that it runs from the sources, and that lacks nothing but a bundle. */
function writeCheckout(name: string): void {
  cpSync(path.join(root, 'bin'), path.join(root, name, 'bin'), { recursive: true });
  write(`${name}/src/cli/main.ts`, "console.log('from the sources' as string);");
  write(`${name}/package.json`, '{"type":"module"}');
  write(`${name}/package-lock.json`, '{"packages":{}}');
  write(`${name}/node_modules/.package-lock.json`, '{"packages":{}}');
}

function write(name: string, text: string): string {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}
