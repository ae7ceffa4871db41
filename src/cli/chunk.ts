/** `millrace chunk dump`: a chunk file as text. */
import path from 'node:path';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { parseNumberedName } from '../journal/paths.ts';
import { type ChunkItem, checkChunk } from '../store/chunk-check.ts';
import { dataDisk, type KeyOptions, withKeyOption } from './data-disk.ts';
import { printJson, printLine } from './output.ts';

interface Options extends KeyOptions {
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ millrace chunk dump data/chunk/0000000001.chunk
  $ millrace chunk dump data/chunk/0000000001.chunk --json | jq 'select(.kind == "problem")'

Prints the partitions of the chunk and their frames, and checks every byte on the way. Exit code 1 where one is damaged.`;

export function register(program: Command): void {
  const chunk = program.command('chunk').description('look into chunk files');
  withKeyOption(chunk.command('dump <file>'))
    .description('print partitions and frames')
    .option('--json', 'print JSON, one value a line')
    .addHelpText('after', EXAMPLES)
    .action(dump);
}

async function dump(file: string, options: Options): Promise<void> {
  const number = parseNumberedName(path.basename(file), 'chunk');
  if (number === undefined) {
    throw new MillraceError('CONFIG_INVALID', `${file} is no chunk file: expected a name like 0000000001.chunk.`, {
      details: { path: file },
    });
  }
  let damaged = 0;
  for await (const item of checkChunk(await dataDisk(path.resolve(file, '../..'), options), file, number)) {
    if (item.kind === 'problem') damaged += 1;
    if (options.json) await printJson(item);
    else await printLine(describe(item));
  }
  if (damaged > 0)
    throw new MillraceError('STORE_CORRUPT', `${file} is damaged, as told above.`, { details: { path: file } });
}

function describe(item: ChunkItem): string {
  switch (item.kind) {
    case 'chunk':
      return `chunk ${item.chunk}, ${item.sizeBytes} bytes, ${item.partitionCount} partitions, ${item.rowCount} frames`;
    case 'partition': {
      const { baseOffset, endOffset, sizeBytes, maxTimestamp } = item.range;
      return `partition ${item.partition}, offsets ${baseOffset} to ${endOffset - 1}, ${sizeBytes} bytes, to ${time(maxTimestamp)}`;
    }
    case 'frame': {
      const { baseOffset, position, sizeBytes } = item.row;
      return `  ${baseOffset} to ${item.endOffset - 1} at ${position}, ${sizeBytes} bytes, ${item.batchCount} batches`;
    }
    case 'problem':
      return `DAMAGED at ${item.position}: ${item.problem}`;
    default:
      return item satisfies never;
  }
}

function time(milliseconds: number): string {
  const date = new Date(milliseconds);
  return milliseconds < 0 || Number.isNaN(date.getTime()) ? 'no time' : date.toISOString();
}
