/** `millrace groups describe`. */
import type { Command } from 'commander';
import { type GroupDetail, type GroupOffsets, groupPath } from './group-answers.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, plural, print, printJson } from './output.ts';

const EXAMPLES = `
Examples:
  $ millrace groups describe billing
  $ millrace groups describe billing --json | jq '[.offsets[].lag] | add'`;

export function registerDescribe(groups: Command): void {
  withClientOptions(
    groups.command('describe <group...>').description('show members, their partitions, committed offsets and lag'),
  )
    .addHelpText('after', EXAMPLES)
    .action(describe);
}

async function describe(ids: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const id of ids) {
      const detail = (await client.json('GET', groupPath(id))) as GroupDetail;
      const { offsets } = (await client.json('GET', groupPath(id, 'offsets'))) as GroupOffsets;
      if (options.json) await printJson({ ...detail, offsets });
      else await print(format(detail, offsets));
    }
  });
}

interface Row {
  readonly topic: string;
  readonly partition: number;
  offset?: number;
  end?: number | null;
  lag?: number | null;
  member?: string;
}

function format(detail: GroupDetail, offsets: GroupOffsets['offsets']): string {
  const { group, type, state, epoch, assignor, members } = detail;
  const facts = [
    type,
    state,
    `epoch ${epoch}`,
    ...(assignor === null ? [] : [assignor]),
    plural(members.length, 'member'),
  ];
  const rows = rowsOf(members, offsets);
  const table = formatTable(['TOPIC', 'PARTITION', 'OFFSET', 'END', 'LAG', 'MEMBER'], rows.map(cellsOf));
  const idle = members.filter(({ assignment }) => assignment.length === 0).map(({ memberId }) => memberId);
  const rest = idle.length === 0 ? '' : `members without partitions: ${idle.join(', ')}\n`;
  return `${group} (${facts.join(', ')})\n${table}${rest}`;
}

/** One row for each partition that is committed or assigned, in order. */
function rowsOf(members: GroupDetail['members'], offsets: GroupOffsets['offsets']): Row[] {
  const rows = new Map<string, Row>();
  const obtain = (topic: string, partition: number): Row => {
    const key = `${topic}/${partition}`;
    const row = rows.get(key) ?? { topic, partition };
    rows.set(key, row);
    return row;
  };
  for (const { topic, partition, offset, highWatermark, lag } of offsets) {
    Object.assign(obtain(topic, partition), { offset, end: highWatermark, lag });
  }
  for (const { memberId, assignment } of members) {
    for (const { topic, partitions } of assignment) {
      for (const partition of partitions) obtain(topic, partition).member = memberId;
    }
  }
  return [...rows.values()].sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  );
}

function cellsOf({ topic, partition, offset, end, lag, member }: Row): (string | number)[] {
  return [topic, partition, offset ?? '-', end ?? '-', lag ?? '-', member ?? '-'];
}
