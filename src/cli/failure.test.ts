/** Proves exit codes and that a failure is one line, with stacks only where they were asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommanderError } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { reportFailure, UsageError } from './failure.ts';

function report(error: unknown, debug = false): [code: number, text: string] {
  let text = '';
  const code = reportFailure(error, debug, (piece) => {
    text += piece;
  });
  return [code, text];
}

test('exit codes: 0 for help, 1 for failures, 2 for usage', () => {
  assert.deepEqual(report(new CommanderError(0, 'commander.helpDisplayed', '')), [0, '']);
  assert.deepEqual(report(new CommanderError(1, 'commander.unknownOption', '')), [2, '']);
  assert.deepEqual(report(new UsageError('wrong')), [2, 'error: wrong\n']);
  assert.deepEqual(report(new MillraceError('CLIENT_NETWORK', 'No\n  broker.')), [
    1,
    'error: No broker. (CLIENT_NETWORK)\n',
  ]);
  assert.deepEqual(report(new AggregateError([new Error('a'), new Error('b')], 'two')), [1, 'error: two; a; b\n']);
});

test('what the system says of a file is said in words', () => {
  const words: [code: string, said: RegExp][] = [
    ['ENOENT', /^error: There is no file or directory \/x\.\n$/],
    ['EACCES', /^error: \/x may not be opened \(EACCES\): check its permissions/],
    ['EISDIR', /^error: \/x is a directory/],
    ['EEXIST', /^error: \/x is there already/],
    ['ENOTDIR', /^error: \/x cannot be there/],
    ['EMFILE', /^error: EMFILE: too many/],
  ];
  for (const [code, said] of words) {
    const error = Object.assign(new Error(`${code}: too many, open '/x'`), { code, path: '/x' });
    const [exitCode, text] = report(error);
    assert.equal(exitCode, 1);
    assert.match(text, said);
  }
  assert.deepEqual(report(Object.assign(new Error('gone'), { code: 'ENOENT' })), [1, 'error: gone\n']);
});

test('--debug shows the stacks of an error and of its causes', () => {
  const [, text] = report(
    new MillraceError('JOURNAL_IO', 'outer', { details: { file: 3 }, cause: new Error('inner') }),
    true,
  );
  assert.match(text, /outer\n\s+at [\s\S]*"file":3[\s\S]*caused by: Error: inner\n\s+at /);
});
