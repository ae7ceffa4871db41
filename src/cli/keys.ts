/** `millrace keys`: keys of encryption at rest. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { keyPrefixes } from '../broker/key-prefixes.ts';
import { type KeyFile, listKeyFiles, shredKeys } from '../journal/encryption/key-files.ts';
import { NodeDisk } from '../journal/node-disk.ts';
import { journalDirectory } from '../journal/paths.ts';
import { UsageError } from './failure.ts';
import { formatTable, plural, print, printJson, printLine } from './output.ts';

interface Options {
  readonly json?: true;
}

interface ShredOptions extends Options {
  readonly prefix: string;
  readonly yes?: true;
}

const EXAMPLES = `
Examples:
  $ millrace keys generate 2026-11 > master.keys
  $ millrace serve --set encryption.key.source=file:master.keys
  $ millrace keys list ./data
  $ millrace keys shred ./data --prefix customers/4711/ --yes

To rotate, put a new line in front of the others in the source and restart: old data keys are wrapped anew, and nothing else is
written again. Afterwards the old line is not needed any more. Shredding deletes the data keys of a prefix of encryption.prefixes:
sealed records of the topics under it can be read by nobody any more. The broker must be stopped.`;

export function register(program: Command): void {
  const keys = program.command('keys').description('keys of encryption at rest').addHelpText('after', EXAMPLES);
  keys
    .command('generate [id]')
    .description('print a line for a source of master keys; the id says which key it is, in the clear')
    .addHelpText('after', EXAMPLES)
    .action(generate);
  keys
    .command('list [directory]')
    .description('print the data keys, and which master key wraps each (default: ./data)')
    .option('--json', 'print JSON, one value a line')
    .addHelpText('after', EXAMPLES)
    .action(list);
  keys
    .command('shred [directory]')
    .description('delete the data keys of a prefix for good')
    .requiredOption('--prefix <prefix>', 'as in encryption.prefixes')
    .option('--yes', 'there is no way back')
    .option('--json', 'print JSON, one value a line')
    .addHelpText('after', EXAMPLES)
    .action(shred);
}

async function generate(id: string | undefined): Promise<void> {
  if (id !== undefined && !/^[A-Za-z0-9._-]{1,64}$/.test(id)) {
    throw new UsageError('The id must be up to 64 letters, digits, dots, hyphens and underscores.');
  }
  const key = randomBytes(32).toString('hex');
  await printLine(id === undefined ? key : `${id} ${key}`);
}

async function list(where: string | undefined, options: Options): Promise<void> {
  const files = await listKeyFiles(new NodeDisk(), dataDirectory(where));
  if (options.json) {
    for (const file of files) await printJson(shown(file));
    return;
  }
  const rows = files.map((file) => {
    const { number, prefix, master, time } = shown(file);
    return [number, prefix === '' ? '(all others)' : prefix, master ?? 'shredded', time];
  });
  await print(formatTable(['key', 'topics', 'wrapped by', 'since'], rows));
}

async function shred(where: string | undefined, options: ShredOptions): Promise<void> {
  const directory = dataDirectory(where);
  const [prefix] = keyPrefixes(options.prefix);
  if (prefix === undefined) throw new UsageError('--prefix must be the begin of topic names, with / at its end.');
  if (options.yes !== true) {
    throw new UsageError('What is encrypted with these keys is lost for good. Say --yes if that is what you want.');
  }
  const disk = new NodeDisk();
  const lock = await disk.lockDirectory(directory);
  try {
    const count = await shredKeys(disk, directory, prefix, Date.now());
    if (count === 0) {
      throw new MillraceError(
        'CONFIG_INVALID',
        `${directory} has no key of prefix ${prefix}: see \`millrace keys list\`.`,
        {
          details: { directory, prefix },
        },
      );
    }
    if (options.json) await printJson({ prefix, keys: count });
    else await printLine(`${plural(count, 'key')} of ${prefix} deleted`);
  } finally {
    await lock.release();
  }
}

function shown(file: KeyFile): { number: number; prefix: string; master: string | null; time: string } {
  const { number, prefix } = file;
  const isWrapped = file.state === 'wrapped';
  const time = new Date(isWrapped ? file.createdAt : file.shreddedAt).toISOString();
  return { number, prefix, master: isWrapped ? file.master : null, time };
}

function dataDirectory(where = './data'): string {
  if (existsSync(journalDirectory(where))) return where;
  throw new MillraceError('CONFIG_INVALID', `There is no data directory in ${where}: it has no journal.`, {
    details: { path: where },
  });
}
