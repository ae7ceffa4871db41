/**
 * Everything that is folded from the journal, put together: partitions, topics, groups, the cluster's own facts. Built the
 * same way by the running broker, by recovery and by the checkpoint worker.
 */
import { MillraceError } from '../base/errors.ts';
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import type { BatchRun, CommitNumber, Fold } from '../journal/journal.ts';
import { LogStore } from '../store/log-store.ts';
import { ChunksState } from './chunks/chunks-state.ts';
import { ClusterState } from './cluster-state.ts';
import { CompactionState } from './compaction/compaction-state.ts';
import { GroupState } from './groups/group-state.ts';
import { IdempotencyKeysState } from './idempotency/idempotency-keys-state.ts';
import { MessageIdsState } from './message-ids/message-ids-state.ts';
import { PushesState } from './push/pushes-state.ts';
import { QuotasState } from './quotas/quotas-state.ts';
import type { BrokerSettings } from './settings.ts';
import { CHECKPOINT_SECTION, type StatePart } from './state-part.ts';
import { SubscriptionsState } from './stream-subscriptions/subscriptions-state.ts';
import { StreamsState } from './streams/streams-state.ts';
import { TierState } from './tiering/tier-state.ts';
import { TopicsState } from './topics-state.ts';
import { TransactionsState } from './transactions/transactions-state.ts';

interface Section {
  readonly id: number;
  /** Undefined: only read, where an older version wrote it. */
  readonly snapshot: ((writer: StateWriter) => void) | undefined;
  readonly restore: (reader: StateReader) => void;
  /** Checkpoints of before it came lack it, and there was nothing of it. */
  readonly optional?: boolean;
}

export class BrokerState implements Fold {
  readonly store = new LogStore();
  readonly cluster = new ClusterState();
  readonly groups = new GroupState();
  readonly quotas = new QuotasState();
  readonly idempotencyKeys = new IdempotencyKeysState();
  readonly pushes = new PushesState();
  readonly topics: TopicsState;
  readonly chunks: ChunksState;
  readonly compaction: CompactionState;
  readonly tier = new TierState();
  readonly transactions: TransactionsState;
  readonly messageIds: MessageIdsState;
  /** Told after readers can see what was published. */
  onPublished: (() => void) | undefined;
  readonly streams: StreamsState;
  readonly subscriptions = new SubscriptionsState();
  readonly #byCommand = new Map<number, StatePart>();
  /** In the order of restoring: topics refer to partitions, producers belong to partitions. */
  readonly #sections: readonly Section[];

  constructor(settings: BrokerSettings) {
    this.messageIds = new MessageIdsState(this.store);
    this.transactions = new TransactionsState(this.store, this.messageIds);
    this.topics = new TopicsState(this.store, settings, (topic) => {
      this.groups.topicDeleted(topic.name);
      this.transactions.topicDeleted(topic.name);
      this.messageIds.topicDeleted(topic);
      this.streams.topicDeleted(topic);
      this.subscriptions.topicDeleted(topic);
      this.compaction.topicDeleted(topic);
      this.pushes.topicDeleted(topic);
    });
    this.compaction = new CompactionState(this.store);
    this.chunks = new ChunksState(this.store, this.compaction);
    this.streams = new StreamsState(this.topics);
    for (const part of [
      this.cluster,
      this.topics,
      this.chunks,
      this.compaction,
      this.tier,
      this.groups,
      this.transactions,
      this.messageIds,
      this.streams,
      this.subscriptions,
      this.quotas,
      this.idempotencyKeys,
      this.pushes,
    ] satisfies StatePart[]) {
      for (const type of part.commands) this.#byCommand.set(type, part);
    }
    const { store } = this;
    this.#sections = [
      sectionOf(this.cluster),
      {
        id: CHECKPOINT_SECTION.PARTITIONS,
        snapshot: undefined,
        restore: (reader) => store.restoreFirstPartitions(reader),
        optional: true,
      },
      {
        id: CHECKPOINT_SECTION.PARTITION_VIEWS,
        snapshot: (writer) => store.snapshotPartitions(writer),
        restore: (reader) => store.restorePartitions(reader),
        optional: true,
      },
      { ...sectionOf(this.chunks), optional: true },
      { ...sectionOf(this.compaction), optional: true },
      { ...sectionOf(this.tier), optional: true },
      sectionOf(this.topics),
      {
        id: CHECKPOINT_SECTION.PRODUCERS,
        snapshot: (writer) => store.snapshotProducers(writer),
        restore: (reader) => store.restoreProducers(reader),
      },
      sectionOf(this.groups),
      { ...sectionOf(this.transactions), optional: true },
      { ...sectionOf(this.messageIds), optional: true },
      { ...sectionOf(this.streams), optional: true },
      { ...sectionOf(this.subscriptions), optional: true },
      { ...sectionOf(this.quotas), optional: true },
      { ...sectionOf(this.idempotencyKeys), optional: true },
      { ...sectionOf(this.pushes), optional: true },
      {
        id: CHECKPOINT_SECTION.PARTITION_TRANSACTIONS,
        snapshot: (writer) => store.snapshotTransactions(writer),
        restore: (reader) => store.restoreTransactions(reader),
        optional: true,
      },
    ];
  }

  batches(run: BatchRun): void {
    this.store.batches(run);
  }

  command(type: number, body: Uint8Array, commit: CommitNumber): void {
    const part = this.#byCommand.get(type);
    // Skipping what we do not know would silently lose what a newer version did.
    if (part === undefined) {
      throw new MillraceError(
        'JOURNAL_FORMAT_UNSUPPORTED',
        `Commit ${commit} has a state command of type ${type}, which this version does not know. Start the version of ` +
          'Millrace that wrote it, or a newer one.',
        { details: { commit, type } },
      );
    }
    part.apply(type, body, commit);
  }

  published(commit: CommitNumber): void {
    this.store.published(commit);
    this.onPublished?.();
  }

  /** Of a checkpoint. */
  get sectionCount(): number {
    return this.#sections.filter(({ snapshot }) => snapshot !== undefined).length;
  }

  /** Sections of a checkpoint, in pieces, one by one: nothing may be folded until the last. */
  *snapshot(): Generator<readonly [number, readonly Uint8Array[]], void, undefined> {
    for (const section of this.#sections) {
      if (section.snapshot === undefined) continue;
      const writer = new StateWriter(64 * 1024);
      section.snapshot(writer);
      yield [section.id, writer.pieces()];
    }
  }

  /** On an empty state only. @throws STORE_CORRUPT. */
  restore(sections: ReadonlyMap<number, Uint8Array>): void {
    const known = new Set(this.#sections.map((section) => section.id));
    for (const id of sections.keys()) {
      if (!known.has(id))
        throw new MillraceError('STORE_CORRUPT', `The checkpoint has a section ${id}, made by a newer Millrace.`);
    }
    if (!sections.has(CHECKPOINT_SECTION.PARTITIONS) && !sections.has(CHECKPOINT_SECTION.PARTITION_VIEWS)) {
      throw new MillraceError('STORE_CORRUPT', 'The checkpoint lacks its partitions.');
    }
    for (const section of this.#sections) {
      const body = sections.get(section.id);
      if (body === undefined && section.optional === true) continue;
      if (body === undefined) throw new MillraceError('STORE_CORRUPT', `The checkpoint lacks section ${section.id}.`);
      const reader = new StateReader(body, `Checkpoint section ${section.id}`);
      section.restore(reader);
      if (!reader.atEnd) {
        throw new MillraceError('STORE_CORRUPT', `Checkpoint section ${section.id} is longer than what it says.`);
      }
    }
  }
}

function sectionOf(part: StatePart): Section {
  return {
    id: part.section,
    snapshot: (writer) => part.snapshot(writer),
    restore: (reader) => part.restore(reader),
  };
}
