/**
 * Kill -9 in the middle of backups and restores, on real files: of the broker, of `millrace backup`, of `millrace restore`. A
 * backup that did not end is no file; the broker comes back with everything it acknowledged; a restore that did not end starts
 * no broker, and the same command again gives every record. Power loss is test/sim/backup-crash.ts.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runMillrace, startMillrace } from '../kit/millrace.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const KILLS = 3;
const VALUE_BYTES = 100_000;
const SETTINGS = ['journal.file.bytes=4194304', 'checkpoint.bytes=4194304', 'seal.bytes=8388608'];

async function write(broker: MillraceProcess, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const response = await fetch(`http://${broker.http}/v1/topics/t/records`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: `${i} `.padEnd(VALUE_BYTES, 'x'),
    });
    assert.equal(response.status, 200, await response.text());
  }
}

/** Numbers of the records, in order. */
async function read(http: string): Promise<number[]> {
  const numbers: number[] = [];
  for (let offset = 0; ; ) {
    const answer = await fetch(`http://${http}/v1/topics/t/records?offset=${offset}&limit=50&format=text`);
    const { records } = (await answer.json()) as { records: { offset: number; value: string }[] };
    if (records.length === 0) return numbers;
    for (const { value } of records) numbers.push(Number.parseInt(value, 10));
    offset = (records.at(-1)?.offset ?? 0) + 1;
  }
}

test(`kill -9 of backups and restores, seed ${SEED}`, { timeout: 300_000 }, async () => {
  const random = new SeededRandom(SEED);
  using own = new TempDirectory();
  const at = (name: string): string => path.join(own.path, name);
  await using broker = await MillraceProcess.start({ settings: SETTINGS });
  const env = { MILLRACE_HTTP: broker.http };
  const created = await runMillrace(['topics', 'create', 't', '--http', broker.http]);
  assert.equal(created.code, 0, created.stderr);
  let written = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await write(broker, written, 100);
    written += 100;
    // Two and a half seconds for the first ten megabytes: it is killed before that, however soon the command starts.
    const running = startMillrace(['backup', '--to', at(`killed-${kill}`), '--rate', '4'], { env });
    await sleep(900 + random.below(900));
    if (kill % 2 === 0) await broker.kill9();
    else running.child.kill('SIGKILL');
    const { code } = await running.ended;
    assert.notEqual(code, 0);
    assert.equal(existsSync(at(`killed-${kill}`)), false);
    if (!broker.running) await broker.start();
    assert.equal((await read(broker.http)).length, written);
  }
  const expected = await read(broker.http);
  // The one whose reader was killed may run for a moment yet.
  for (let attempt = 0; ; attempt++) {
    const { code, stderr } = await runMillrace(['backup', '--to', at('whole')], { env });
    if (code === 0) break;
    assert.ok(attempt < 20 && stderr.includes('BACKUP_RUNNING'), stderr);
    await sleep(200);
  }
  let unfinished = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const running = startMillrace(['restore', '--from', at('whole'), '--data', at('data')]);
    while (!existsSync(at('data/restoring')) && running.child.exitCode === null) await sleep(2);
    await sleep(random.below(150));
    running.child.kill('SIGKILL');
    await running.ended;
    if (!existsSync(at('data/restoring'))) continue;
    unfinished += 1;
    const serve = await runMillrace(['serve', '--data', at('data'), '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0']);
    assert.match(serve.stderr + serve.stdout, /BACKUP_RESTORE_UNFINISHED/);
  }
  assert.ok(unfinished > 0, 'some restores are killed in the middle');
  if (existsSync(at('data/restoring'))) {
    const last = await runMillrace(['restore', '--from', at('whole'), '--data', at('data')]);
    assert.equal(last.code, 0, last.stderr);
  }
  await using restored = await MillraceProcess.start({ directory: at('data') });
  assert.deepEqual(await read(restored.http), expected);
});
