/**
 * Committed offsets, from request to journal and back. Whether a request is allowed is the group's business and decided
 * before; here is which of its partitions are good, and what is stored.
 */
import type { ErrorCode } from '../../base/errors.ts';
import { type CommitBuilder, type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import type {
  DeleteOffsetsRequest,
  FetchedOffset,
  GroupCounters,
  GroupSettings,
  OffsetCommitAnswer,
  OffsetCommitRequest,
  OffsetFetchAnswer,
  OffsetFetchRequest,
  OffsetToCommit,
} from './api.ts';
import type { GroupRecord, GroupState } from './group-state.ts';
import { encodeOffsetChanges, type TopicChanges } from './offset-commands.ts';
import type { TopicOffsets } from './topic-offsets.ts';

export interface OffsetStoreOptions {
  readonly journal: Journal;
  readonly state: GroupState;
  readonly settings: GroupSettings;
  readonly counters: GroupCounters;
  readonly partitionExists: (topic: string, partition: number) => boolean;
  /** An open transaction may still change what the group has committed there. */
  readonly hasPendingOffset: (groupId: string, topic: string, partition: number) => boolean;
}

type TopicResult = OffsetCommitAnswer['topics'][number];

export class OffsetStore {
  readonly #options: OffsetStoreOptions;

  constructor(options: OffsetStoreOptions) {
    this.#options = options;
  }

  /** Resolves when the offsets are durable. @throws the journal's refusal. */
  async commit(request: OffsetCommitRequest, now: number): Promise<OffsetCommitAnswer> {
    const { answer, changes } = await transactOnce(this.#options.journal, (commit) => {
      const admitted = this.admit(request, now);
      this.#stage(commit, request.groupId, 'stored', now, admitted.changes);
      return admitted;
    });
    for (const { partitions } of changes) this.#options.counters.committedOffsets += partitions.length;
    return answer;
  }

  /** Inside a build: which of the offsets are good, and what is to be stored for them. */
  admit(
    request: OffsetCommitRequest,
    now: number,
  ): { readonly answer: OffsetCommitAnswer; readonly changes: TopicChanges[] } {
    const changes: TopicChanges[] = [];
    const topics = request.topics.map((topic) => this.#admitTopic(request, topic, now, changes));
    return { answer: { topics }, changes };
  }

  /** Resolves when what it has read is durable. @throws the journal's refusal. */
  fetch(request: OffsetFetchRequest): Promise<OffsetFetchAnswer> {
    return transactOnce(this.#options.journal, () => {
      const topics = this.#fetched(request);
      return {
        error: undefined,
        topics: request.requireStable === true ? this.#stable(request.groupId, topics) : topics,
      };
    });
  }

  #fetched(request: OffsetFetchRequest): OffsetFetchAnswer['topics'] {
    const stored = this.#options.state.get(request.groupId)?.offsets;
    if (request.topics === null) return Array.from(stored ?? [], ([topic, offsets]) => everything(topic, offsets));
    return request.topics.map(({ topic, partitions }) => {
      const offsets = stored?.get(topic);
      return { topic, partitions: partitions.map((partition) => fetched(partition, offsets)) };
    });
  }

  #stable(groupId: string, topics: OffsetFetchAnswer['topics']): OffsetFetchAnswer['topics'] {
    return topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((each) => {
        if (!this.#options.hasPendingOffset(groupId, topic, each.partition)) return each;
        return { ...fetched(each.partition, undefined), error: 'BROKER_OFFSETS_UNSTABLE' as const };
      }),
    }));
  }

  /** @param isSubscribed topics whose offsets live members still move. @throws the journal's refusal. */
  forget(
    request: DeleteOffsetsRequest,
    now: number,
    isSubscribed: (topic: string) => boolean,
  ): Promise<readonly TopicResult[]> {
    return transactOnce(this.#options.journal, (commit) => {
      const stored = this.#options.state.get(request.groupId)?.offsets;
      const changes: TopicChanges[] = [];
      const topics = request.topics.map(({ topic, partitions }): TopicResult => {
        const error = isSubscribed(topic) ? 'BROKER_GROUP_SUBSCRIBED' : undefined;
        const offsets = stored?.get(topic);
        if (error === undefined && offsets !== undefined) {
          const there = partitions.filter((partition) => offsets.has(partition));
          changes.push({ topic, partitions: there.map((partition) => ({ partition, committed: null })) });
        }
        return { topic, partitions: partitions.map((partition) => ({ partition, error })) };
      });
      this.#stage(commit, request.groupId, 'forgotten', now, changes);
      return topics;
    });
  }

  #stage(
    commit: CommitBuilder,
    groupId: string,
    kind: 'stored' | 'forgotten',
    now: number,
    changes: readonly TopicChanges[],
  ): void {
    for (const body of encodeOffsetChanges(groupId, kind, now, changes)) {
      commit.command(COMMAND.OFFSETS_COMMITTED, body);
    }
  }

  #admitTopic(
    request: OffsetCommitRequest,
    { topic, partitions }: OffsetCommitRequest['topics'][number],
    now: number,
    changes: TopicChanges[],
  ): TopicResult {
    const record = this.#options.state.get(request.groupId);
    const expiresAt = request.retentionMs >= 0 ? Math.min(now + request.retentionMs, Number.MAX_SAFE_INTEGER) : -1;
    const admitted: TopicChanges['partitions'][number][] = [];
    const results = partitions.map((asked) => {
      const error = this.#refuse(record, topic, asked);
      if (error === undefined) {
        const { partition, offset, leaderEpoch, metadata } = asked;
        const committed = { offset, leaderEpoch, metadata: metadata ?? '', committedAt: now, expiresAt };
        admitted.push({ partition, committed });
      }
      return { partition: asked.partition, error };
    });
    if (admitted.length > 0) changes.push({ topic, partitions: admitted });
    return { topic, partitions: results };
  }

  #refuse(record: GroupRecord | undefined, topic: string, asked: OffsetToCommit): ErrorCode | undefined {
    const { state, settings, partitionExists } = this.#options;
    const { partition, offset, metadata } = asked;
    if (!partitionExists(topic, partition)) return 'BROKER_PARTITION_NOT_FOUND';
    if (!Number.isSafeInteger(offset) || offset < 0) return 'BROKER_REQUEST_INVALID';
    const metadataBytes = metadata === null ? 0 : Buffer.byteLength(metadata);
    if (metadataBytes > settings.offsetMetadataMaxBytes) return 'BROKER_OFFSET_METADATA_TOO_LARGE';
    // What is there may always move on: a full store must not stop consumers that were here before.
    const grows = metadataBytes > 0 || record?.offsets.get(topic)?.has(partition) !== true;
    if (grows && state.sizeBytes > settings.groupMaxStateBytes) return 'BROKER_LIMIT_REACHED';
    return record === undefined && state.size >= settings.groupMaxCount ? 'BROKER_LIMIT_REACHED' : undefined;
  }
}

function everything(topic: string, offsets: TopicOffsets): OffsetFetchAnswer['topics'][number] {
  const partitions: FetchedOffset[] = [];
  for (const [partition, { offset, leaderEpoch, metadata }] of offsets.entries()) {
    partitions.push({ partition, offset, leaderEpoch, metadata });
  }
  return { topic, partitions };
}

function fetched(partition: number, offsets: TopicOffsets | undefined): FetchedOffset {
  const committed = offsets?.get(partition);
  if (committed === undefined) return { partition, offset: -1, leaderEpoch: -1, metadata: '' };
  return { partition, offset: committed.offset, leaderEpoch: committed.leaderEpoch, metadata: committed.metadata };
}
