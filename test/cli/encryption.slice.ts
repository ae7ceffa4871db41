/**
 * Proves that encryption at rest is what its page says, with a broker in a process of its own and its worker threads: master keys
 * from a file, the environment and a command; commands that read the directory need them; rotation; a backup and its restore;
 * keys that are listed and shredded; nothing of a record in any file.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Outcome, runMillrace } from '../kit/millrace.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const WORD = 'a-word-that-must-not-be-found';
const SMALL = ['journal.file.bytes=1048576', 'checkpoint.bytes=1048576', 'seal.bytes=2097152'];

async function done(
  args: readonly string[],
  options: { stdin?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const outcome: Outcome = await runMillrace(args, { stdin: '', ...options });
  assert.equal(outcome.code, 0, `${args.join(' ')}\n${outcome.stderr}`);
  return outcome.stdout;
}

async function fill(broker: MillraceProcess, topic: string, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) => `${i} ${WORD} ${'x'.repeat(900)}`).join('\n');
  await done(['produce', topic, '--http', broker.http], { stdin: `${lines}\n` });
}

async function countOf(broker: MillraceProcess, topic: string): Promise<number> {
  const text = await done(['consume', topic, '--from', 'earliest', '--http', broker.http]);
  return text.split('\n').filter((line) => line.includes(WORD)).length;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

test('encrypted from the first file on, rotated, backed up, restored, shredded', { timeout: 240_000 }, async () => {
  using own = new TempDirectory();
  const at = (name: string): string => path.join(own.path, name);
  const first = await done(['keys', 'generate', 'first']);
  const second = await done(['keys', 'generate', 'second']);
  writeFileSync(at('master'), first);
  const settings = [...SMALL, `encryption.key.source=file:${at('master')}`, 'encryption.prefixes=secret/'];
  const count = 5_000;
  await using broker = await MillraceProcess.start({ directory: at('data'), settings });
  await fill(broker, 'plain', count);
  await fill(broker, 'secret/one', count);
  await fill(broker, 'plain', count);
  await fill(broker, 'secret/one', count);
  // Sealing waits for quiet.
  const chunks = (): number => filesBelow(at('data')).filter((name) => name.endsWith('.chunk')).length;
  for (let waited = 0; chunks() < 2 && waited < 300; waited++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(chunks() >= 2, 'chunks of both prefixes');
  assert.equal(await countOf(broker, 'plain'), 2 * count);
  await done(['backup', '--to', at('backup'), '--http', broker.http]);
  await broker.stop();
  for (const file of filesBelow(own.path)) assert.ok(!readFileSync(file).includes(WORD), file);

  const refused = await runMillrace(['verify', at('data')], { stdin: '' });
  assert.match(refused.stderr, /master key 'first'.*STORE_KEY_MISSING/);
  const env = { MILLRACE_KEY_SOURCE: `file:${at('master')}` };
  assert.match(await done(['verify', at('data')], { env }), /sound/);
  assert.match(await done(['keys', 'list', at('data')]), /secret\. +first/);

  writeFileSync(at('master'), second + first);
  await broker.start();
  assert.equal(await countOf(broker, 'secret/one'), 2 * count);
  await broker.stop();
  assert.doesNotMatch(await done(['keys', 'list', at('data')]), /first/);

  // The backup is of before, and needs the old key; from the environment.
  const restoring = ['restore', '--from', at('backup'), '--data', at('restored'), '--key-source', 'env:OLD_KEYS'];
  await done(restoring, { env: { OLD_KEYS: first } });
  const source = `encryption.key.source=command:cat ${at('master')}`;
  await using restored = await MillraceProcess.start({ directory: at('restored'), settings: [...SMALL, source] });
  assert.equal(await countOf(restored, 'plain'), 2 * count);
  assert.equal(await countOf(restored, 'secret/one'), 2 * count);

  assert.match(await done(['keys', 'shred', at('data'), '--prefix', 'secret/', '--yes']), /2 keys/);
  await broker.start();
  assert.equal(await countOf(broker, 'plain'), 2 * count);
  const shredded = await runMillrace(['consume', 'secret/one', '--from', 'earliest', '--http', broker.http], {
    stdin: '',
  });
  assert.match(shredded.stderr, /STORE_KEY_MISSING/);
  await broker.stop();
});
