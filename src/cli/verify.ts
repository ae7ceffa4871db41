/** `millrace verify`: checks a whole data directory, and repairs what can be built again. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { type VerifyProblem, verifyDirectory } from '../broker/verify/verify-directory.ts';
import type { Disk } from '../journal/disk.ts';
import { journalDirectory } from '../journal/paths.ts';
import { dataDisk, type KeyOptions, withKeyOption } from './data-disk.ts';
import { plural, printJson, printLine } from './output.ts';
import { Progress } from './progress.ts';

interface Options extends KeyOptions {
  readonly repair?: true;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ millrace verify
  $ millrace verify /var/lib/millrace --json
  $ millrace verify /var/lib/millrace --repair

Reads every byte: journal files, their indexes, chunks and checkpoints, every batch by its checksum, and whether the parts agree:
no partition has a hole in its offsets. Without --repair it changes nothing and may run beside a broker; with it, the broker
must be stopped: indexes are built again from their journal files. What is in an object store alone is not read.

Exit code 1 when something is damaged and was not repaired. An unfinished write at the end of the journal is no damage,
and neither is what was shredded with its key.`;

export function register(program: Command): void {
  withKeyOption(program.command('verify [directory]'))
    .description('check every byte of a data directory (default: ./data)')
    .option('--repair', 'build again what follows from other files')
    .option('--json', 'print JSON, one value a line')
    .addHelpText('after', EXAMPLES)
    .action(verify);
}

async function verify(where: string | undefined, options: Options): Promise<void> {
  const directory = where ?? './data';
  if (!existsSync(journalDirectory(directory))) {
    throw new MillraceError('CONFIG_INVALID', `There is no data directory in ${directory}: it has no journal.`, {
      details: { path: directory },
    });
  }
  const disk = await dataDisk(directory, options);
  const lock = options.repair ? await disk.lockDirectory(directory) : undefined;
  try {
    await report(directory, disk, options);
  } finally {
    await lock?.release();
  }
}

async function report(directory: string, disk: Disk, options: Options): Promise<void> {
  const progress = new Progress('files', undefined);
  const counts = { files: 0, bytes: 0, damaged: 0, repaired: 0 };
  for await (const item of verifyDirectory(disk, directory, options.repair === true)) {
    if (item.kind === 'sound') {
      counts.files += 1;
      counts.bytes += item.sizeBytes;
      progress.update(counts.files);
      continue;
    }
    progress.end();
    if (item.repaired) counts.repaired += 1;
    else if (!item.harmless) counts.damaged += 1;
    if (options.json) await printJson(item);
    else await printLine(describeProblem(item));
  }
  progress.end();
  if (options.json) await printJson({ kind: 'summary', ...counts });
  else {
    const sound = `${plural(counts.files, 'file')} sound, ${counts.bytes.toLocaleString('en-US')} bytes`;
    await printLine(counts.repaired > 0 ? `${sound}; ${plural(counts.repaired, 'file')} repaired` : sound);
  }
  if (counts.damaged === 0) return;
  throw new MillraceError(
    'STORE_CORRUPT',
    `${plural(counts.damaged, 'damaged place')} in ${directory}, named above. Keep the files as they are, and restore them from a backup.`,
    { details: { directory, count: counts.damaged } },
  );
}

/** One line: what it is, where, and what is wrong. */
export function describeProblem({ path, position, problem, harmless, shredded, repaired }: VerifyProblem): string {
  const word = repaired ? 'REPAIRED' : shredded ? 'SHREDDED' : harmless ? 'TORN' : 'DAMAGED';
  return `${word} ${path}${position === undefined ? '' : `, position ${position}`}: ${problem}`;
}
