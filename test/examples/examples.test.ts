/** Proves that the programs in examples/ do what their heads say, against a broker. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type RunningBroker, startBroker } from '../kit/millrace.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };
const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const directory = new TempDirectory();
let broker: RunningBroker;

before(async () => {
  broker = await startBroker(path.join(directory.path, 'data'));
}, TIMEOUT);

after(async () => {
  broker.child.kill('SIGTERM');
  await broker.ended;
  directory[Symbol.dispose]();
}, TIMEOUT);

/** @returns what it prints. */
async function example(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(EXAMPLES, name), ...args], {
    timeout: 60_000,
  });
  return stdout;
}

test('HTTP: what is produced is followed', TIMEOUT, async () => {
  const http = `http://${broker.http}`;
  assert.equal(
    await example('http-produce.ts', http, 'demo/words', 'hello', 'world'),
    'wrote 2 records to demo/words\n',
  );
  assert.equal(await example('http-follow.ts', http, 'demo/words', '2'), '0 {"word":"hello"}\n1 {"word":"world"}\n');
});

test('kafkajs writes and reads back', TIMEOUT, async () => {
  assert.equal(await example('kafkajs.ts', broker.kafka), 'hello from kafkajs\n');
});

test('a broker embedded in a program answers and closes', TIMEOUT, async () => {
  assert.match(await example('embed.ts', path.join(directory.path, 'embedded')), /status: 'ready'/);
});

test('the official client of Durable Streams: produce once, follow to the end, fork', TIMEOUT, async () => {
  assert.equal(
    await example('durable-streams.ts', `http://${broker.http}`, 'chats/42'),
    [
      'user: hello',
      'user: are you durable?',
      'assistant: synced before the ack',
      'user: bye',
      'the fork has 4 messages, the last one: and another thing',
      '',
    ].join('\n'),
  );
});
