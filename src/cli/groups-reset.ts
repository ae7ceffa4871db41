/** `millrace groups reset`: moves the committed offsets of a group that has no members. */
import type { Command } from 'commander';
import { parseDuration } from './duration.ts';
import { UsageError } from './failure.ts';
import { groupPath, type ResetAnswer, type ResetOffset } from './group-answers.ts';
import { type ClientOptions, collect, integer, withClient, withClientOptions } from './options.ts';
import { formatTable, plural, print, printJson } from './output.ts';
import { parseTimestamp } from './position.ts';

interface Options extends ClientOptions {
  readonly to?: string;
  readonly back?: string;
  readonly shift?: number;
  readonly topic?: readonly string[];
  readonly dryRun?: true;
}

interface Target {
  readonly to: string;
  readonly value?: number;
}

const EXAMPLES = `
Examples:
  $ millrace groups reset billing --to earliest --dry-run
  $ millrace groups reset billing --to 2026-11-20T08:00:00Z --topic shop/orders
  $ millrace groups reset billing --back 1h30m
  $ millrace groups reset billing --shift -100 --topic shop/orders:0,3

--to takes earliest, latest, an offset, an ISO 8601 time or @milliseconds. Without --topic every offset that the group has
committed moves; with it, all partitions of the topic or those listed. The group must have no members, except with --dry-run.`;

export function registerReset(groups: Command): void {
  withClientOptions(
    groups.command('reset <group>').description('move the committed offsets of a group without members'),
  )
    .option('--to <position>', 'earliest, latest, an offset, or a time')
    .option('--back <duration>', 'to where the records of so long ago begin: 90s, 1h30m, 7d, PT2H')
    .option(
      '--shift <count>',
      'by so many offsets; negative goes back',
      integer('--shift', -(2 ** 53) + 1, 2 ** 53 - 1),
    )
    .option('--topic <topic[:partitions]>', 'only this topic (repeatable)', collect)
    .option('--dry-run', 'print what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(reset);
}

async function reset(group: string, options: Options): Promise<void> {
  const topics = options.topic?.map(parseTopic);
  const body = { ...targetOf(options), ...(topics === undefined ? {} : { topics }), dryRun: options.dryRun ?? false };
  await withClient(options, async (client) => {
    const answer = (await client.json('POST', groupPath(group, 'offsets/reset'), { body })) as ResetAnswer;
    if (options.json) return await printJson(answer);
    const moved = answer.offsets.filter(({ before, after }) => before !== after).length;
    const verb = answer.dryRun ? 'would move' : 'moved';
    await print(formatTable(['TOPIC', 'PARTITION', 'BEFORE', 'AFTER', 'BY', ''], answer.offsets.map(rowOf)));
    await print(`${verb} ${plural(moved, 'offset')} of ${group}\n`);
  });
}

function rowOf({ topic, partition, before, after, clamped }: ResetOffset): (string | number)[] {
  const by = before === null ? '-' : after >= before ? `+${after - before}` : String(after - before);
  return [topic, partition, before ?? '-', after, by, clamped ? 'at the bound of what can be read' : ''];
}

function targetOf({ to, back, shift }: Options): Target {
  const given = [to, back, shift].filter((value) => value !== undefined).length;
  if (given !== 1) throw new UsageError('Give one of --to, --back and --shift: where the offsets go.');
  if (shift !== undefined) return { to: 'shift', value: shift };
  if (back !== undefined) return { to: 'duration', value: parseDuration('--back', back) };
  if (to === 'earliest' || to === 'latest') return { to };
  const text = to ?? '';
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return { to: 'offset', value: Number(text) };
  return { to: 'timestamp', value: parseTimestamp('--to', text, 'earliest, latest, an offset, ') };
}

/** `shop/orders` or `shop/orders:0,3`; topic names have no colon. */
function parseTopic(text: string): { topic: string; partitions?: number[] } {
  const [topic = '', list, ...more] = text.split(':');
  if (list === undefined) return { topic };
  if (topic === '' || more.length > 0 || !/^\d{1,9}(?:,\d{1,9})*$/.test(list)) {
    throw new UsageError(`--topic must be written TOPIC or TOPIC:0,3, not \`${text}\`.`);
  }
  return { topic, partitions: list.split(',').map(Number) };
}
