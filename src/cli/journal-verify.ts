/** `millrace journal verify`: reads every byte of the journal and says whether it is what was written. */
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { describeItem } from '../journal/dump.ts';
import { type VerifiedFile, verifyJournal } from '../journal/verify.ts';
import { dataDisk, type KeyOptions, withKeyOption } from './data-disk.ts';
import { findJournal } from './journal-source.ts';
import { plural, print, printJson, printLine } from './output.ts';
import { Progress } from './progress.ts';

interface Options extends KeyOptions {
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ millrace journal verify
  $ millrace journal verify /var/lib/millrace --json

Exit code 1 when data that was acknowledged is damaged or missing. A torn end (an unfinished write) is no damage: the next
start cuts it off, and nothing in it was acknowledged. Changes nothing, and may run beside a broker.`;

export function registerVerify(journal: Command): void {
  withKeyOption(journal.command('verify [directory]'))
    .description('check every byte: headers, chain, checksums (default: ./data)')
    .option('--json', 'print JSON, one value a line')
    .addHelpText('after', EXAMPLES)
    .action(verify);
}

async function verify(where: string | undefined, options: Options): Promise<void> {
  const { directory, files, only } = findJournal(where ?? './data');
  const progress = new Progress('journal files', only === undefined ? files.length : undefined);
  let corruptCount = 0;
  let fileCount = 0;
  for await (const item of verifyJournal({
    disk: await dataDisk(directory, options),
    directory,
    fromFile: only ?? 1,
  })) {
    if (only !== undefined && item.file !== only) break;
    progress.end();
    if (options.json) await printJson(item);
    else if (item.kind === 'file') await printLine(describeFile(item));
    else for (const line of describeItem(item)) await print(`${line}\n`);
    if (item.kind === 'file') progress.update(++fileCount);
    else if (item.severity === 'corrupt') corruptCount += 1;
  }
  progress.end();
  if (corruptCount > 0) {
    throw new MillraceError(
      'JOURNAL_CORRUPT',
      `${plural(corruptCount, 'damaged place')} in ${directory}, named above. Keep the files as they are and restore them from a backup.`,
      { details: { directory, count: corruptCount } },
    );
  }
}

function describeFile(file: VerifiedFile): string {
  const commits = `${plural(file.commitCount, 'commit')} (${file.firstCommit} to ${file.lastCommit}), ${file.entryCount.toLocaleString('en-US')} entries`;
  return `file ${file.file}: ${commits}, ${file.sizeBytes} bytes${file.cleanEnd ? ', clean end' : ''}`;
}
