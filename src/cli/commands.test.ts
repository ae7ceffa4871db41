/** Proves that help is whole and alike: every command, each of its options, an example, and a row in docs/cli.md. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Command } from 'commander';
import { COMMANDS } from './commands.ts';

interface Leaf {
  /** `topics create`. */
  readonly name: string;
  readonly command: Command;
}

const program = new Command('millrace');
for (const { load } of COMMANDS) (await load()).register(program);
const LEAVES = program.commands.flatMap((command) => leavesOf(command, [command.name()]));

function leavesOf(command: Command, path: readonly string[]): Leaf[] {
  if (command.commands.length === 0) return [{ name: path.join(' '), command }];
  return command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]));
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (piece) => void (text += piece) }).outputHelp();
  return text;
}

test('each command is registered under its name, with words about it', () => {
  assert.deepEqual(
    program.commands.map((command) => command.name()),
    COMMANDS.map(({ name }) => name),
  );
  assert.ok(LEAVES.length > 40);
  for (const { name, command } of LEAVES) assert.notEqual(command.description(), '', name);
});

test('each has an example of itself, and words about each option', () => {
  for (const { name, command } of LEAVES) {
    assert.match(helpOf(command), new RegExp(`Examples?:\\n[\\s\\S]* millrace ${name}\\b`), name);
    for (const { flags, description } of command.options) assert.notEqual(description, '', `${name} ${flags}`);
  }
});

test('what help says of settings "below" is there', () => {
  for (const { name, command } of LEAVES) {
    const help = helpOf(command);
    if (help.includes('setting below')) assert.match(help, /Settings \(--set\)[\s\S]*num\.partitions=1/, name);
  }
});

test('an option has one meaning, wherever it is', () => {
  const meanings: [flag: string, description: RegExp][] = [
    ['--json', /JSON/],
    ['--http', /^(?:HTTP address of the broker|address for HTTP)/],
    ['--limit', /so many/],
    ['--key-source', /keys/],
  ];
  for (const { name, command } of LEAVES) {
    for (const [flag, description] of meanings) {
      const option = command.options.find(({ long }) => long === flag);
      if (option !== undefined) assert.match(option.description, description, `${name} ${flag}`);
      if (flag === '--limit' && option !== undefined) assert.equal(option.short, '-n', name);
    }
  }
});

test('docs/cli.md has every command in its table', () => {
  const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const cells = [...page.matchAll(/^\| (`.+?) \| /gm)].map(([, cell = '']) => cell);
  // `topics create`, `list`: verbs behind the first stand without their noun.
  const rows = cells.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text.split(' ')));
  for (const { name } of LEAVES) {
    const [noun, verb] = name.split(' ');
    const isNamed = rows.some((spans) =>
      verb === undefined
        ? spans.some(([first]) => first === noun)
        : spans[0]?.[0] === noun && spans.some((words) => words.includes(verb)),
    );
    assert.ok(isNamed, `${name} is not in the table of docs/cli.md`);
  }
});
