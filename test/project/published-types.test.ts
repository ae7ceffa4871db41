/**
 * Proves that the types that are published hold together: a program that is compiled against them, with every entry point, as a
 * user of the package has them. What is stripped as internal is not there, and nothing public may name it. It cannot show
 * that the code does what the types say; the tests of the sources do.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { programOf } from '../../scripts/programs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMPILER = programOf(ROOT, 'typescript', 'tsc');

const PROGRAM = `
import { connect, json, string } from 'millrace';
import { aggregates, topicSnapshots } from 'millrace/aggregate';
import { openBroker } from 'millrace/broker';
import { encrypted, KeyRing } from 'millrace/encryption';
import { openLog } from 'millrace/log';
import { msgpack } from 'millrace/msgpack';
import { compacted, filter, from, map, pipe, reduce, to } from 'millrace/process';
import { API_KEYS } from 'millrace/wire';

interface Order { readonly id: string; readonly total: number }

await using broker = await openBroker();
await using client = await connect('kafka://127.0.0.1:9092');
await using transactor = await client.transactor({ transactionalId: 'billing' });
await using consumer = await client.consumer({
  topics: 'orders', mode: 'resumable', group: 'billing', commit: 'manual', value: json<Order>(),
  headers: { trace: string() },
});
const bills = transactor.producer({ topic: 'bills', value: msgpack<number>() });
for await (const { records } of consumer.batches()) {
  await transactor.run(async (transaction) => {
    for (const { key, value, headers } of records) {
      const trace: string | undefined = headers.get('trace');
      await bills.submit({ key: key ?? trace, value: value.total });
    }
    transaction.commitPositions(consumer);
  });
}

const sums = pipe(
  from(client, { topics: 'orders', mode: 'resumable', group: 'sums', value: json<Order>() }),
  filter(({ total }) => total > 0),
  map(({ total }) => total),
  reduce({
    initial: () => 0,
    fold: (sum, total: number) => sum + total,
    state: compacted(client, { topic: 'state', value: json<number>() }),
  }),
  to(client, { topic: 'sums', value: json<number>() }),
);
await sums.run({ exactlyOnce: { transactionalId: 'sums' }, restart: {} });

await using http = await connect('http://127.0.0.1:7123');
const accounts = aggregates(http, {
  event: json<{ amount: number }>(),
  initial: () => 0,
  apply: (balance, { amount }) => balance + amount,
  snapshots: topicSnapshots(http, { state: json<number>() }),
});
const account = await accounts.open('accounts/17');
await account.transactWrite((balance) => [{ amount: balance }]);

const ring = new KeyRing({ current: 'a', keys: { a: new Uint8Array(32) } });
await using secrets = await client.producer({ topic: 's', value: encrypted(json<Order>(), ring, { context: 's' }) });
// @ts-expect-error -- an order has a total
await secrets.send({ value: { id: 'x' } });

await using log = await openLog({ dir: './data' });
for await (const { offset, value } of log.read('t', { from: 'earliest' })) console.log(offset, value, API_KEYS, broker.uri);
`;

test('a program compiles against the published types, in every way to resolve them', { timeout: 120_000 }, () => {
  // Below the root, so that types of dependencies are found; where the sources are not taken for the package.
  mkdirSync(path.join(ROOT, '.tmp'), { recursive: true });
  const directory = mkdtempSync(path.join(ROOT, '.tmp/published-types-'));
  try {
    const published = path.join(directory, 'node_modules/millrace');
    const args = ['-p', path.join(ROOT, 'tsconfig.build.json'), '--emitDeclarationOnly'];
    execFileSync(process.execPath, [COMPILER, ...args, '--outDir', path.join(published, 'dist')], { stdio: 'inherit' });
    cpSync(path.join(ROOT, 'package.json'), path.join(published, 'package.json'));
    writeFileSync(path.join(directory, 'package.json'), '{"type":"module"}');
    writeFileSync(path.join(directory, 'program.ts'), PROGRAM);
    for (const [moduleResolution, module] of [
      ['node16', 'node16'],
      ['bundler', 'esnext'],
    ] as const) {
      const compilerOptions = {
        ...{ module, moduleResolution, target: 'es2024', lib: ['es2024', 'dom', 'esnext.disposable'] },
        // Declarations of ours are checked too, which most projects leave out.
        ...{ types: ['node'], strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
      };
      writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
      const { stdout, status } = spawnSync(process.execPath, [COMPILER, '-p', directory], { encoding: 'utf8' });
      assert.deepEqual([status, stdout], [0, ''], moduleResolution);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
