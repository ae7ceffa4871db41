/**
 * Proves `millrace serve` from start to stop, as a process: ready, graceful stop, forced stop, refusals to start. Whether
 * records survive a kill is proved elsewhere (test/).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runMillrace, startBroker, startMillrace } from '../kit/millrace.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };
const directory = new TempDirectory();
after(() => directory[Symbol.dispose]());

test('a broker starts in an empty directory, answers, and stops on SIGTERM with everything kept', TIMEOUT, async () => {
  const data = path.join(directory.path, 'kept');
  await using first = await startBroker(data);
  const ready = await fetch(`http://${first.http}/health/ready`);
  assert.equal(ready.status, 200);
  await runMillrace(['produce', 'a', '--http', first.http], { stdin: 'kept\n' });
  first.child.kill('SIGTERM');
  const outcome = await first.ended;
  assert.deepEqual([outcome.code, outcome.signal, outcome.stdout], [0, null, '']);
  assert.match(outcome.stderr, /"signal":"SIGTERM".*stopping[\s\S]*"msg":"stopped"\}\n$/);

  await using second = await startBroker(data);
  assert.equal((await runMillrace(['consume', 'a', '--http', second.http])).stdout, 'kept\n');
  second.child.kill('SIGINT');
  assert.equal((await second.ended).code, 0);
});

async function statsOf(http: string): Promise<{ httpReaders: number }> {
  return (await (await fetch(`http://${http}/v1/stats`)).json()) as { httpReaders: number };
}

test('a reader that waits is let go by a stop, with a clean end', TIMEOUT, async () => {
  await using broker = await startBroker(path.join(directory.path, 'waiting'));
  await runMillrace(['topics', 'create', 'a', '--http', broker.http]);
  const follower = startMillrace(['consume', 'a', '--follow', '--http', broker.http]);
  const polling = fetch(`http://${broker.http}/v1/topics/a/records?wait=60&offset=latest`).catch(() => undefined);
  while ((await statsOf(broker.http)).httpReaders < 2) await sleep(10);
  const idle = net.connect(Number(broker.kafka.split(':')[1]), '127.0.0.1');
  await once(idle, 'connect');
  broker.child.kill('SIGTERM');
  idle.resume();
  await once(idle, 'close');
  assert.equal((await broker.ended).code, 0);
  assert.equal((await follower.ended).code, 1);
  await polling;
});

test('a second signal ends a stop that waits, at once, and loses nothing acknowledged', TIMEOUT, async () => {
  const data = path.join(directory.path, 'forced');
  await using broker = await startBroker(data);
  await runMillrace(['produce', 'a', '--http', broker.http], { stdin: 'kept\n' });
  // A request whose body does not come: the stop waits for it, seconds longer than this test takes.
  const stuck = net.connect(Number(broker.http.split(':')[1]), '127.0.0.1');
  stuck.on('error', () => undefined);
  stuck.write('POST /v1/topics/a/records HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\n');
  stuck.write('content-length: 5\r\nexpect: 100-continue\r\n\r\n');
  assert.match(String((await once(stuck, 'data'))[0]), /^HTTP\/1.1 100 /);
  broker.child.kill('SIGTERM');
  await broker.until(/"signal":"SIGTERM".*stopping/);
  broker.child.kill('SIGINT');
  const { code, stderr } = await broker.ended;
  assert.equal(code, 130);
  assert.match(stderr, /"signal":"SIGINT".*second signal/);
  assert.doesNotMatch(stderr, /"msg":"stopped"/);
  stuck.destroy();

  await using again = await startBroker(data);
  assert.equal((await runMillrace(['consume', 'a', '--http', again.http])).stdout, 'kept\n');
  again.child.kill('SIGTERM');
  await again.ended;
});

test('what was acknowledged while the broker stopped is there after it starts again', TIMEOUT, async () => {
  const data = path.join(directory.path, 'stopping');
  await using broker = await startBroker(data);
  const acknowledged = new Set<string>();
  const produce = async (value: string): Promise<void> => {
    const response = await fetch(`http://${broker.http}/v1/topics/a/records`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: value,
    });
    if (response.status === 200) acknowledged.add(value);
  };
  await produce('first');
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    // Ends when the broker is gone.
    for (let index = 0; ; index++) await produce(`${writer}-${index}`);
  });
  while (acknowledged.size < 100) await new Promise((resolve) => setImmediate(resolve));
  broker.child.kill('SIGTERM');
  await Promise.allSettled(writers);
  assert.equal((await broker.ended).code, 0);

  await using again = await startBroker(data);
  const { stdout } = await runMillrace(['consume', 'a', '--http', again.http]);
  const stored = new Set(stdout.trimEnd().split('\n'));
  assert.deepEqual(
    [...acknowledged].filter((value) => !stored.has(value)),
    [],
  );
  again.child.kill('SIGTERM');
  await again.ended;
});

test('a data directory in use, and addresses in use, are refused with what to do', TIMEOUT, async () => {
  const data = path.join(directory.path, 'busy');
  await using broker = await startBroker(data);
  const locked = await runMillrace(['serve', '--data', data, '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  assert.equal(locked.code, 1);
  assert.match(
    locked.stderr,
    new RegExp(`error: .*busy.* in use by process ${broker.child.pid} .*\\(JOURNAL_LOCKED\\)\n$`),
  );

  const other = path.join(directory.path, 'other');
  for (const [option, address] of [
    ['--kafka', broker.kafka],
    ['--http', broker.http],
  ] as const) {
    const free = option === '--kafka' ? '--http' : '--kafka';
    const outcome = await runMillrace(['serve', '--data', other, option, address, free, '127.0.0.1:0']);
    assert.equal(outcome.code, 1);
    assert.match(
      outcome.stderr,
      new RegExp(`error: ${address} is in use by another program\\. .*${option}.*\\(CONFIG_INVALID\\)\n$`),
    );
  }
  broker.child.kill('SIGTERM');
  await broker.ended;
});
