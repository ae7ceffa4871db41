/** What the broker really stored and knows, read past every client: batches as they lie, groups as it sees them. */
import { BatchCursor } from '../../src/model/batch-cursor.ts';
import { codec, producerId, recordCount } from '../../src/model/record-batch.ts';
import { describeGroups, offsetFetch } from '../../src/wire/index.ts';
import { RawClient } from '../kit/raw-client.ts';

export interface StoredBatch {
  /** As in the batch's attributes; src/model/record-batch.ts, CODEC. */
  readonly codec: number;
  readonly producerId: number;
  readonly recordCount: number;
}

export async function storedBatches(broker: string, topic: string, partition = 0): Promise<StoredBatch[]> {
  using client = await RawClient.connect(broker);
  const batches: StoredBatch[] = [];
  let offset = await client.offsetAt(topic, partition, -2);
  const end = await client.offsetAt(topic, partition, -1);
  while (offset < end) {
    const { records } = await client.fetch(topic, partition, offset, { maxBytes: 8 * 1024 * 1024 });
    const cursor = new BatchCursor(records);
    if (records.length === 0) throw new Error(`${topic}/${partition}: nothing at ${offset} of ${end}`);
    while (cursor.next() === 'batch') {
      const { position } = cursor;
      const count = recordCount(records, position);
      batches.push({ codec: codec(records, position), producerId: producerId(records, position), recordCount: count });
      offset += count;
    }
  }
  return batches;
}

/** Waits until the group is stable with this many members: everyone has its partitions. */
export async function groupSettled(broker: string, group: string, memberCount: number): Promise<void> {
  using client = await RawClient.connect(broker);
  for (;;) {
    const { groups } = await client.request(describeGroups, 4, { groups: [group], includeAuthorizedOperations: false });
    const found = groups[0];
    if (found?.groupState === 'Stable' && found.members.length === memberCount) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export interface SeenMember {
  readonly memberId: string;
  /** As the leader made it, in base64. */
  readonly assignment: string;
}

/** Members by their instance id, or by their member id where they have none. */
export async function groupMembers(broker: string, group: string): Promise<Map<string, SeenMember>> {
  using client = await RawClient.connect(broker);
  const { groups } = await client.request(describeGroups, 4, { groups: [group], includeAuthorizedOperations: false });
  return new Map(
    groups[0]?.members.map(({ memberId, groupInstanceId, memberAssignment }) => [
      groupInstanceId ?? memberId,
      { memberId, assignment: Buffer.from(memberAssignment).toString('base64') },
    ]),
  );
}

/** Generations that all groups of the broker have formed so far. */
export async function rebalances(http: string): Promise<number> {
  const metrics = await (await fetch(`http://${http}/metrics`)).text();
  return Number(/^millrace_group_rebalances_total(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1]);
}

/** Committed offset of each partition; -1 for none. */
export async function committedOffsets(broker: string, group: string, name: string, count: number): Promise<number[]> {
  using client = await RawClient.connect(broker);
  const partitionIndexes = Array.from({ length: count }, (_, i) => i);
  const { topics } = await client.request(offsetFetch, 5, { groupId: group, topics: [{ name, partitionIndexes }] });
  return topics[0]?.partitions.map(({ committedOffset }) => committedOffset) ?? [];
}
