/**
 * `consume --group`: where a group stands in a topic, and how far this command has come. Not a member of the group: the
 * broker takes its commits only while the group has no members, so it never moves offsets under somebody's feet.
 */
import { MillraceError } from '../base/errors.ts';
import { type ApiClient, type Query, topicPath } from './api-client.ts';
import { type GroupOffsets, groupPath } from './group-answers.ts';
import type { TopicDetail } from './topic-answers.ts';

const COMMIT_EVERY_MS = 1000;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class GroupCursor {
  readonly #client: ApiClient;
  readonly #group: string;
  readonly #topic: string;
  /** Next offset to read, by partition. */
  readonly #next: Map<number, number>;
  readonly #committed: Map<number, number>;
  #failure: unknown;

  /** @param start where to begin in partitions that the group has not committed; names a partition or all. */
  static async open(client: ApiClient, group: string, topic: string, start: Query): Promise<GroupCursor> {
    const detail = (await client.json('GET', topicPath(topic))) as TopicDetail;
    const committed = await committedOffsets(client, group, detail.name);
    const next = new Map<number, number>();
    for (const { partition } of detail.partitions) {
      if (start['partition'] !== 'all' && start['partition'] !== partition) continue;
      next.set(partition, committed.get(partition) ?? (await startOffset(client, detail, partition, start)));
    }
    if (next.size === 0) {
      throw new MillraceError(
        'BROKER_PARTITION_NOT_FOUND',
        `Topic ${detail.name} has no partition ${String(start['partition'])}.`,
      );
    }
    const cursor = new GroupCursor(client, group, detail.name, next, committed);
    // Before the first record is printed: members of the group are told of now, not after a page.
    await cursor.commit(next);
    return cursor;
  }

  private constructor(
    client: ApiClient,
    group: string,
    topic: string,
    next: Map<number, number>,
    committed: Map<number, number>,
  ) {
    this.#client = client;
    this.#group = group;
    this.#topic = topic;
    this.#next = next;
    this.#committed = committed;
  }

  /** `0:17,2:5`, as a read takes it. */
  get offsets(): string {
    return Array.from(this.#next, ([partition, offset]) => `${partition}:${offset}`).join(',');
  }

  /** A commit failed while following; the stream ends, and `whileFollowing` throws it. */
  get isFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Stores what changed; durable when it resolves. @throws BROKER_GROUP_NOT_EMPTY and what else the broker refuses with. */
  async commit(next: Iterable<readonly [partition: number, offset: number]>): Promise<void> {
    const offsets: { topic: string; partition: number; offset: number }[] = [];
    for (const [partition, offset] of next) {
      this.#next.set(partition, offset);
      if (this.#committed.get(partition) !== offset) offsets.push({ topic: this.#topic, partition, offset });
    }
    if (offsets.length === 0) return;
    await this.#client.json('POST', groupPath(this.#group, 'offsets'), { body: { offsets } });
    for (const { partition, offset } of offsets) this.#committed.set(partition, offset);
  }

  /** Notes records of a stream, one JSON object a line. */
  printed(lines: readonly (string | Buffer)[]): void {
    for (const line of lines) {
      const text = line.toString();
      if (text === '') continue;
      const { partition, offset } = JSON.parse(text) as { partition: number; offset: number };
      this.#next.set(partition, offset + 1);
    }
  }

  /** Commits every second while `work` runs, at its end, and before a signal ends the process. */
  async whileFollowing(work: () => Promise<void>): Promise<void> {
    const timer = setInterval(() => {
      this.commit(new Map(this.#next)).catch((error: unknown) => (this.#failure = error));
    }, COMMIT_EVERY_MS);
    const stop = (signal: NodeJS.Signals): void => {
      const end = (): void => {
        for (const each of STOP_SIGNALS) process.off(each, stop);
        process.kill(process.pid, signal);
      };
      this.commit(new Map(this.#next)).then(end, end);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, stop);
    try {
      await work();
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      clearInterval(timer);
      await this.commit(new Map(this.#next)).finally(() => {
        for (const signal of STOP_SIGNALS) process.off(signal, stop);
      });
    }
  }
}

async function committedOffsets(client: ApiClient, group: string, topic: string): Promise<Map<number, number>> {
  const answer = (await client.json('GET', groupPath(group, 'offsets')).catch((error: unknown) => {
    if (error instanceof MillraceError && error.code === 'BROKER_GROUP_NOT_FOUND') return { group, offsets: [] };
    throw error;
  })) as GroupOffsets;
  const ofTopic = answer.offsets.filter((each) => each.topic === topic);
  return new Map(ofTopic.map(({ partition, offset }) => [partition, offset]));
}

async function startOffset(client: ApiClient, detail: TopicDetail, partition: number, start: Query): Promise<number> {
  const state = detail.partitions[partition];
  const { logStartOffset = 0, highWatermark = 0 } = state ?? {};
  if (start['offset'] === 'earliest') return logStartOffset;
  if (start['offset'] === 'latest') return highWatermark;
  if (start['offset'] !== undefined) return Number(start['offset']);
  if (start['last'] !== undefined) return Math.max(logStartOffset, highWatermark - Number(start['last']));
  // The broker searches by time; an answer without records tells the position by where it would go on.
  const query = { partition, timestamp: start['timestamp'], limit: 1 };
  const answer = (await client.json('GET', topicPath(detail.name, 'records'), { query })) as {
    records: readonly { offset: number }[];
    nextOffset: number;
  };
  return answer.records[0]?.offset ?? answer.nextOffset;
}
