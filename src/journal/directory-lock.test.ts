/**
 * The directory lock between processes and inside one: refusal names the holder, and a holder killed with SIGKILL
 * leaves nothing behind that refuses the next.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lockDirectory } from './directory-lock.ts';

const root = await mkdtemp(join(tmpdir(), 'millrace-lock-'));
after(() => rm(root, { recursive: true }));

const HOLDER = `
const { lockDirectory } = await import(process.argv[1]);
await lockDirectory(process.argv[2]);
console.log('held');
setInterval(() => {}, 1000);
`;

/** Resolves once the child holds the lock; what it wrote to standard error comes along. */
async function spawnHolder(directory: string): Promise<{ child: ChildProcess; errors: () => string }> {
  const module = new URL('./directory-lock.ts', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, module, directory]);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [first] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [errors])]);
  assert.match(String(first), /held/);
  return { child, errors: () => errors };
}

test('another process is refused with pid, and served once the holder is killed', { timeout: 60_000 }, async () => {
  const directory = join(root, 'processes');
  const { child, errors } = await spawnHolder(directory);
  try {
    await assert.rejects(lockDirectory(directory), {
      code: 'JOURNAL_LOCKED',
      message: new RegExp(`process ${child.pid} on .*Stop it first`),
    });
    assert.equal(errors(), '', 'the lock wrote to standard error');
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const lock = await lockDirectory(directory);
  await lock.release();
});

test('one process gets it once; release is safe twice', { timeout: 60_000 }, async () => {
  const directory = join(root, 'same');
  const lock = await lockDirectory(directory);
  await assert.rejects(lockDirectory(directory), {
    code: 'JOURNAL_LOCKED',
    message: new RegExp(`process ${process.pid} `),
  });
  await assert.rejects(lockDirectory(directory), { code: 'JOURNAL_LOCKED' });
  await lock.release();
  await lock.release();
  await (await lockDirectory(directory)).release();
});

test('a directory that cannot be written says so', { timeout: 60_000 }, async () => {
  const file = join(root, 'file');
  await writeFile(file, '');
  await assert.rejects(lockDirectory(join(file, 'below')), { code: 'JOURNAL_IO', message: /Cannot lock/ });
});
