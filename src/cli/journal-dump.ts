/** `millrace journal dump`: the journal as text. */
import type { Command } from 'commander';
import { describeItem, dumpJournal } from '../journal/dump.ts';
import { dataDisk, type KeyOptions, withKeyOption } from './data-disk.ts';
import { findJournal } from './journal-source.ts';
import { integer } from './options.ts';
import { print, printJson } from './output.ts';

interface Options extends KeyOptions {
  readonly limit?: number;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ millrace journal dump
  $ millrace journal dump data/journal/0000000001.journal --limit 20
  $ millrace journal dump data --json | jq 'select(.kind == "problem")'

Changes nothing, and may run beside a broker; the newest file may then end in the middle of a commit.`;

export function registerDump(journal: Command): void {
  withKeyOption(journal.command('dump [directory-or-file]'))
    .description('print files, commits and their entries (default: ./data)')
    .option('-n, --limit <count>', 'stop after so many commits', integer('--limit', 1, Number.MAX_SAFE_INTEGER))
    .option('--json', 'print JSON, one value a line')
    .addHelpText('after', EXAMPLES)
    .action(dump);
}

async function dump(where: string | undefined, options: Options): Promise<void> {
  const { directory, only } = findJournal(where ?? './data');
  let commitCount = 0;
  for await (const item of dumpJournal({ disk: await dataDisk(directory, options), directory, fromFile: only ?? 1 })) {
    if (only !== undefined && item.file !== only) return;
    if (options.json) await printJson(item);
    else for (const line of describeItem(item)) await print(`${line}\n`);
    if (item.kind === 'commit' && ++commitCount === options.limit) return;
  }
}
