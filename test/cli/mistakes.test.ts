/**
 * Proves what mistakes that people make are answered with: the message names what was typed (the file and its line, the
 * option, the address) in the words of the command line, and the exit code tells a wrong command line from a failure.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type RunningBroker, runMillrace, startBroker } from '../kit/millrace.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };

const directory = new TempDirectory();
let broker: RunningBroker;

before(async () => {
  broker = await startBroker(path.join(directory.path, 'data'));
  await runMillrace(['topics', 'create', 'shop/orders', '--partitions', '3'], { env: environment() });
}, TIMEOUT);

after(async () => {
  broker.child.kill('SIGTERM');
  await broker.ended;
  directory[Symbol.dispose]();
}, TIMEOUT);

function environment(): Record<string, string> {
  return { MILLRACE_HTTP: broker.http, MILLRACE_KAFKA: broker.kafka };
}

/** Runs commands that must fail, with this exit code and these words on stderr, and print nothing. */
async function fail(code: number, cases: readonly (readonly [args: readonly string[], said: RegExp])[]): Promise<void> {
  for (const [args, said] of cases) {
    const outcome = await runMillrace(args, { env: environment() });
    assert.deepEqual([outcome.code, outcome.stdout], [code, ''], `${args.join(' ')}: ${outcome.stderr}`);
    assert.match(outcome.stderr, said);
  }
}

function file(name: string, text: string): string {
  const full = path.join(directory.path, name);
  writeFileSync(full, text);
  return full;
}

test('a refused line is named as it stands in its file, however many requests came before', TIMEOUT, async () => {
  const many = '{"value":1}\n'.repeat(12_000);
  const produce = ['produce', 'shop/orders', '--ndjson'];
  // The blank line and the file before count: the third request's first line is 10,001 of both, and 6,000 of this one.
  const first = file('before.ndjson', '{"value":1}\n'.repeat(4_001));
  const member = file('member.ndjson', `${many}\n{"valu":1}\n`);
  const header = file('header.ndjson', '{"value":1}\n{"value":1,"headers":[1]}\n');
  const partition = file('partition.ndjson', `${many}{"value":1,"partition":7}\n`);
  const one = file('one.ndjson', '{"value":1,"partition":7}\n');
  await fail(1, [
    [
      [...produce, first, member],
      /^error: Line 12002 of \S*member\.ndjson has an unknown member "valu"; .* 10000 records before were written\. \(HTTP_REQ/,
    ],
    [[...produce, header], /^error: Line 2 of \S*header\.ndjson: headers\[0\] is 1; expected/],
    [
      [...produce, first, partition],
      /no partition 7; .*10000 .* It is one of lines 6000 to 12001 of \S*partition\.ndjson\. \(BROKER_PART/,
    ],
    [[...produce, one], /no partition 7; .* It is line 1 of \S*one\.ndjson\./],
    [[...produce, '--idempotent', one], /no partition 7\. It is line 1 of \S*one\.ndjson\./],
  ]);
});

test('what the broker says over HTTP is said in commands', TIMEOUT, async () => {
  const lines = file('lines.txt', 'a\n');
  await fail(1, [
    [['transactions', 'describe', 'absent'], /"absent"\. `millrace transactions list` shows those that are\./],
    [['push', 'describe', 'absent'], /"absent"\. `millrace push list` shows those that are\./],
    [['push', 'delete', 'absent'], /"absent".*\(BROKER_PUSH_NOT_FOUND\)/],
    [
      ['produce', 'shop/orders', lines, '--if-offset', '3'],
      /Say which with --partition 0 to 2, or --if-offset 0:17,2:5\./,
    ],
    [['commit', file('cut.json', '{"writes":')], /Not JSON at line 1, column 11: .*\(HTTP_JSON_INVALID\)/],
  ]);
});

test('an address of something else is named, and what was expected there', TIMEOUT, async () => {
  const lines = file('lines.txt', 'a\n');
  const [http, kafka] = [broker.http, broker.kafka];
  await fail(1, [
    [['topics', 'list', '--http', kafka], new RegExp(`${kafka} failed: .*--http names its HTTP port`)],
    [['topics', 'list', '--http', 'absent.invalid:7123'], /host name in http:\/\/absent\.invalid:7123 is not known/],
    [
      ['produce', 'x', lines, '--idempotent', '--kafka', http],
      new RegExp(`What ${http} sends is not understood\\. .*Is this the Kafka port`),
    ],
  ]);
});

test('a file or directory that is not there is named in words', TIMEOUT, async () => {
  const absent = path.join(directory.path, 'absent');
  const serve = [
    'serve',
    '--data',
    path.join(directory.path, 'other'),
    '--kafka',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
  ];
  await fail(1, [
    [['restore', '--from', absent, '--data', path.join(directory.path, 'r')], /There is no backup file \S*absent\./],
    [['restore', '--from', directory.path, '--data', path.join(directory.path, 'r')], /is a directory, and no backup/],
    [
      [...serve, '--set', `encryption.key.source=file:${absent}`],
      /there is no file \S*absent; `millrace keys generate` makes a key/,
    ],
  ]);
  await fail(2, [
    [['backup', '--to', path.join(absent, 'x')], /There is no directory \S*absent to write a backup into\./],
  ]);
});

test('an option out of form is refused before anything is sent or made', TIMEOUT, async () => {
  const lines = file('lines.txt', 'a\n');
  await fail(2, [
    [
      ['serve', '--set', 'tier.store=s4://x'],
      /tier\.store must be empty or begin with s3:.* or dir:.*, not `s4:\/\/x`/,
    ],
    [['serve', '--set', 'encryption.key.source=vault:x'], /must be empty or begin with file: or env: or command:/],
    [['produce', 'shop/orders', lines, '--if-offset', 'x'], /--if-offset must be an offset, or PARTITION:OFFSET .*`x`/],
    [
      ['sink', '--from', `http://${broker.http}/shop.orders`, '--to', 'mysql:x'],
      /`mysql:x` is no target: .*sqlite:FILE/,
    ],
  ]);
  assert.equal(existsSync('mysql:x'), false);
  const set = await runMillrace(['topics', 'config', 'shop/orders', '--set', 'retention.ms=1234567'], {
    env: environment(),
  });
  assert.deepEqual([set.code, set.stderr], [0, '']);
  assert.match(set.stdout, /retention\.ms +1234567 +topic/);
});
