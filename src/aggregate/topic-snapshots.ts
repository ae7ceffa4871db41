/**
 * Snapshots in topics: those of the stream `accounts.17`, partition 0, in `accounts.17.snapshots`; of partition p > 0 in
 * `accounts.17.snapshots-p`. The newest record counts; older ones go by the topic's retention.
 *
 *   headers: version, next-offset (decimal)     value: the state
 */
import { type Client, type Codec, MillraceError } from '../client/internal.ts';
import type { Snapshot, SnapshotStore } from './snapshot-store.ts';

/** Options of `topicSnapshots`. */
export interface TopicSnapshotOptions<State> {
  readonly state: Codec<State>;
}

const VERSION_HEADER = 'version';
const NEXT_OFFSET_HEADER = 'next-offset';
/** Looked through from the newest for one of the right version; older programs may be saving, too. */
const LOOK_BACK = 10n;

/**
 * Keeps snapshots beside the streams. The back end needs headers: `http://`, `millrace+dir://`, `redis://`, `memory://`.
 *
 * ```ts
 * aggregates(client, { snapshots: topicSnapshots(client, { state: json<Account>() }), ... })
 * ```
 */
export function topicSnapshots<State>(client: Client, { state }: TopicSnapshotOptions<State>): SnapshotStore<State> {
  return {
    async load(stream, version, options) {
      const topic = topicOf(stream);
      const end = await endOf(client, topic, options);
      if (end === undefined) return undefined;
      const from = { offset: client.features.offsetsFromZero && end > LOOK_BACK ? end - LOOK_BACK : 0n };
      const consumer = await client.consumer({ topics: topic, from, until: 'end', value: state });
      let newest: Snapshot<State> | undefined;
      try {
        for (;;) {
          const record = await consumer.next(options);
          if (record === undefined) return newest;
          if (record.headers.get(VERSION_HEADER) !== version) continue;
          newest = { state: record.value, version, nextOffset: BigInt(record.headers.get(NEXT_OFFSET_HEADER) ?? '') };
        }
      } finally {
        await consumer.close();
      }
    },
    async save(stream, snapshot, options) {
      const producer = await client.producer({ topic: topicOf(stream), value: state, partitioner: () => 0 });
      const headers = { [VERSION_HEADER]: snapshot.version, [NEXT_OFFSET_HEADER]: String(snapshot.nextOffset) };
      try {
        await producer.send({ value: snapshot.state, headers }, options);
      } finally {
        await producer.close();
      }
    },
  };
}

function topicOf(stream: string): string {
  const slash = stream.lastIndexOf('/');
  const partition = stream.slice(slash + 1);
  return `${stream.slice(0, slash)}.snapshots${partition === '0' ? '' : `-${partition}`}`;
}

async function endOf(
  client: Client,
  topic: string,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<bigint | undefined> {
  try {
    return (await client.admin.describeTopic(topic, options)).partitions[0]?.endOffset;
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'CLIENT_TOPIC_NOT_FOUND') return undefined;
    throw error;
  }
}
