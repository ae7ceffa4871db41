// Proves: the command line becomes the run it says, prints JSON or a table on stdout, and refuses what makes no sense as
// a usage error. The runs themselves are proved in bench/run-bench.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { SinkBroker } from '../../test/kit/sink-broker.ts';
import type { BenchReport } from './bench/run-bench.ts';
import { registerBench } from './bench.ts';

/** @returns what the command printed. */
async function bench(...args: string[]): Promise<string> {
  const program = new Command('millrace').exitOverride().configureOutput({ writeErr: () => undefined });
  let printed = '';
  registerBench(program, async (text) => {
    printed += text;
  });
  for (const command of program.commands[0]?.commands ?? []) command.copyInheritedSettings(program);
  await program.parseAsync(['bench', ...args], { from: 'user' });
  return printed;
}

test('options reach the run; --json prints the report', { timeout: 60_000 }, async () => {
  await using sink = await SinkBroker.start();
  const broker = `127.0.0.1:${sink.port}`;
  const work =
    '--size 1k --batch 7 --topic food/eggs --topics 2 --connections 3 --in-flight 2 --acks 1 --records 50 --warmup 0';
  const report = JSON.parse(await bench('produce', '--broker', broker, '--json', ...work.split(' '))) as BenchReport;
  const { size, batch, topic, topics, connections, inFlight, acks, length, warmup } = report.plan;
  const seen = { size, batch, topic, topics, connections, inFlight, acks, length, warmup };
  const asked = {
    size: 1024,
    batch: 7,
    topics: 2,
    connections: 3,
    inFlight: 2,
    acks: 1,
    length: { records: 50 },
    warmup: 0,
  };
  assert.deepEqual(seen, { ...asked, topic: 'food/eggs' });
  assert.ok((report.produced?.records ?? 0) >= 50);
  const table = await bench('consume', '--broker', broker, '--topic', 'food/eggs', '--seconds', '0.2', '--warmup', '0');
  assert.match(table, /^consume on 127\.0\.0\.1:\d+: fetches of 1048576 bytes/);
  assert.match(table, /\nconsumed +[\d.]+ +[\d,]+/);
});

test('wrong command lines are usage errors that name the option', async () => {
  await assert.rejects(bench('produce', '--batch', '0'), { name: 'UsageError', message: /--batch/ });
  for (const args of [
    ['produce', '--broker', 'nowhere'],
    ['produce', '--broker', 'host:99999'],
    ['produce', '--acks', 'some'],
    ['produce', '--size', '1x'],
    ['produce', '--seconds', '-1'],
    ['consume', '--batch', '5'],
    ['fly'],
  ]) {
    await assert.rejects(bench(...args), { name: 'CommanderError' }, args.join(' '));
  }
});
