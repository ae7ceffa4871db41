/**
 * Proves that docs/guide.md is true: its files are written to an empty folder, its commands run there as they stand, and they
 * print what the guide says. `millrace` and its entry points are this checkout; ports and the installation are not taken literally.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../kit/millrace-process.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RESOLVER = pathToFileURL(path.join(ROOT, 'test/kit/resolve-millrace.ts')).href;

type Block =
  | { readonly type: 'file'; readonly name: string; readonly text: string }
  | { readonly type: 'commands'; readonly lines: readonly string[] }
  | { readonly type: 'output'; readonly text: string };

/** Fenced blocks in their order; the name of a file stands in the line before. */
function blocksOf(guide: string): Block[] {
  const blocks: Block[] = [];
  for (const [, before = '', language = '', text = ''] of guide.matchAll(/([^\n]*)\n+```(\w+)\n([\s\S]*?)```/g)) {
    if (language === 'sh') blocks.push({ type: 'commands', lines: text.trimEnd().split('\n') });
    else if (language === 'text') blocks.push({ type: 'output', text });
    else {
      const name = /`([\w.]+\.ts)`/.exec(before)?.[1];
      assert.ok(name !== undefined, `a block without the name of its file: ${text.slice(0, 60)}`);
      blocks.push({ type: 'file', name, text });
    }
  }
  return blocks;
}

test('the guide, command by command', { timeout: 120_000 }, async () => {
  using directory = new TempDirectory();
  const [kafka, http] = [await freePort(), await freePort()];
  writeFileSync(path.join(directory.path, 'package.json'), '{"type":"module"}');
  const blocks = blocksOf(readFileSync(path.join(ROOT, 'docs/guide.md'), 'utf8'));
  assert.ok(blocks.length >= 15);
  let broker: ChildProcess | undefined;
  let printed = '';
  const run = async (line: string): Promise<void> => {
    if (line.startsWith('npm ')) return;
    if (line.startsWith('npx millrace serve')) {
      const addresses = ['--kafka', `127.0.0.1:${kafka}`, '--http', `127.0.0.1:${http}`];
      const args = line.replace('npx millrace ', '').replace(/ &$/, '').split(' ');
      broker = spawn(process.execPath, [path.join(ROOT, 'bin/millrace'), ...args, ...addresses], {
        cwd: directory.path,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const { stderr } = broker;
      assert.ok(stderr !== null);
      for await (const chunk of stderr.iterator({ destroyOnReturn: false })) if (String(chunk).includes('ready')) break;
      stderr.resume();
      return;
    }
    const command = line.replaceAll(/\bnode (?=[\w-]+\.ts|--test)/g, `"${process.execPath}" --import ${RESOLVER} `);
    // Of a broken command the shell says so on stderr, and the exit code does.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)('bash', ['-c', command], {
      cwd: directory.path,
      timeout: 60_000,
      env,
    });
    printed += stdout;
  };
  try {
    for (const block of blocks) {
      if (block.type === 'file') {
        writeFileSync(
          path.join(directory.path, block.name),
          block.text.replaceAll('127.0.0.1:9092', `127.0.0.1:${kafka}`),
        );
      } else if (block.type === 'output') {
        assert.equal(printed, block.text);
      } else {
        printed = '';
        for (const line of block.lines) await run(line);
      }
    }
  } finally {
    if (broker !== undefined && broker.exitCode === null) {
      broker.kill('SIGKILL');
      await once(broker, 'exit');
    }
  }
});
