/**
 * Forgets offsets nobody will ask for again, a slice of groups at a time.
 *
 * | group | an offset's time counts from |
 * |---|---|
 * | offsets only, no member ever | its own commit |
 * | no members | the moment the last one left |
 * | stable consumers, topic not subscribed any more | its own commit |
 * | anything else | never |
 *
 * An offset that was committed with a retention of its own goes at that time instead. An empty group that has no
 * offsets left goes too. Source: KIP-211, KIP-496.
 */
import { type CommitBuilder, type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import type { GroupCounters, GroupLogger, GroupSettings } from './api.ts';
import type { ConsumerGroup } from './consumer/consumer-group.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import type { Group } from './group.ts';
import { decodeGroupSummary } from './group-image.ts';
import type { GroupRecord, GroupState } from './group-state.ts';
import { encodeGroupDeleted, encodeOffsetChanges, type TopicChanges } from './offset-commands.ts';
import { allSubscribedTopics, CONSUMER_PROTOCOL_TYPE } from './subscription.ts';
import type { CommittedOffset } from './topic-offsets.ts';

/** Groups looked at in one go: well under a millisecond each, so that no request waits long behind a pass. */
const SLICE_GROUPS = 200;
const SLICE_PAUSE_MS = 10;

export interface OffsetRetentionOptions {
  readonly journal: Journal;
  readonly state: GroupState;
  readonly settings: GroupSettings;
  readonly counters: GroupCounters;
  readonly deadlines: Deadlines;
  readonly logger: GroupLogger | undefined;
  readonly now: () => number;
  /** The live group, if it is alive. */
  readonly find: (groupId: string) => Group | undefined;
  /** Names of topics that members of a group of the new protocol are subscribed to. */
  readonly subscribedTopics: (group: ConsumerGroup) => ReadonlySet<string>;
}

/** When an offset of a group goes; undefined: none of them does. */
interface Rule {
  readonly since: (committed: CommittedOffset) => number;
  readonly keeps: (topic: string) => boolean;
  /** The group itself goes with its last offset. */
  readonly groupGoes: boolean;
}

interface Expired {
  readonly topics: readonly TopicChanges[];
  readonly count: number;
  readonly group: boolean;
}

const KEEPS_NONE = (): boolean => false;
const sinceCommit = (committed: CommittedOffset): number => committed.committedAt;

export class OffsetRetention {
  readonly #options: OffsetRetentionOptions;
  readonly #timer: Deadline;
  #pass: IterableIterator<GroupRecord> | undefined;

  constructor(options: OffsetRetentionOptions) {
    this.#options = options;
    this.#timer = options.deadlines.create(() => this.#slice());
  }

  start(): void {
    this.#timer.set(this.#options.settings.offsetsRetentionCheckIntervalMs);
  }

  #slice(): void {
    this.#pass ??= this.#options.state.all();
    for (let i = 0; i < SLICE_GROUPS; i++) {
      const next = this.#pass.next();
      if (next.done === true) {
        this.#pass = undefined;
        this.#timer.set(this.#options.settings.offsetsRetentionCheckIntervalMs);
        return;
      }
      this.#expire(next.value);
    }
    this.#timer.set(SLICE_PAUSE_MS);
  }

  #expire(record: GroupRecord): void {
    const now = this.#options.now();
    if (isNothing(this.#expired(record, now))) return;
    void this.#forget(record.groupId, now);
  }

  async #forget(groupId: string, now: number): Promise<void> {
    const { journal, state, counters, logger } = this.#options;
    try {
      counters.expiredOffsets += await transactOnce(journal, (commit) => {
        const current = state.get(groupId);
        // Decided again on the head: the group may have committed since.
        const expired = current === undefined ? undefined : this.#expired(current, now);
        if (expired === undefined || isNothing(expired)) return 0;
        stageExpired(commit, groupId, now, expired);
        return expired.count;
      });
    } catch (error) {
      // The next pass finds them again.
      logger?.error('offsets could not be expired', { group: groupId, error: String(error) });
    }
  }

  #expired(record: GroupRecord, now: number): Expired | undefined {
    const rule = this.#rule(record, now);
    if (rule === undefined) return undefined;
    const topics: TopicChanges[] = [];
    let count = 0;
    let kept = 0;
    for (const [topic, offsets] of record.offsets) {
      if (rule.keeps(topic)) {
        kept += offsets.count;
        continue;
      }
      const partitions: { partition: number; committed: null }[] = [];
      for (const [partition, committed] of offsets.entries()) {
        const goesAt =
          committed.expiresAt >= 0
            ? committed.expiresAt
            : rule.since(committed) + this.#options.settings.offsetsRetentionMs;
        if (now >= goesAt) partitions.push({ partition, committed: null });
      }
      count += partitions.length;
      kept += offsets.count - partitions.length;
      if (partitions.length > 0) topics.push({ topic, partitions });
    }
    return { topics, count, group: rule.groupGoes && kept === 0 };
  }

  #rule(record: GroupRecord, now: number): Rule | undefined {
    const group = this.#options.find(record.groupId);
    if (group !== undefined) return ruleOfLive(group);
    if (record.consumer !== undefined) return this.#ruleOfConsumers(record.consumer, now);
    if (record.image === undefined) return { since: sinceCommit, keeps: KEEPS_NONE, groupGoes: false };
    const { phase, changedAt } = decodeGroupSummary(record.image);
    return phase === 'empty' ? this.#ruleOfEmpty(changedAt, now) : undefined;
  }

  #ruleOfEmpty(changedAt: number, now: number): Rule {
    // A consumer that restarts leaves its group empty for a moment: one check interval is grace enough.
    const groupGoes = now - changedAt >= this.#options.settings.offsetsRetentionCheckIntervalMs;
    return { since: () => changedAt, keeps: KEEPS_NONE, groupGoes };
  }

  #ruleOfConsumers(group: ConsumerGroup, now: number): Rule | undefined {
    if (group.size === 0) return this.#ruleOfEmpty(group.changedAt, now);
    if (group.phase !== 'stable') return undefined;
    const subscribed = this.#options.subscribedTopics(group);
    return { since: sinceCommit, keeps: (topic) => subscribed.has(topic), groupGoes: false };
  }
}

function ruleOfLive(group: Group): Rule | undefined {
  if (group.phase !== 'stable' || group.protocolType !== CONSUMER_PROTOCOL_TYPE) return undefined;
  const subscribed = allSubscribedTopics(group.subscriptions());
  if (subscribed === undefined) return undefined;
  return { since: sinceCommit, keeps: (topic) => subscribed.has(topic), groupGoes: false };
}

function stageExpired(commit: CommitBuilder, groupId: string, now: number, expired: Expired): void {
  if (expired.group) {
    commit.command(COMMAND.GROUP_DELETED, encodeGroupDeleted(groupId));
    return;
  }
  for (const body of encodeOffsetChanges(groupId, 'forgotten', now, expired.topics)) {
    commit.command(COMMAND.OFFSETS_COMMITTED, body);
  }
}

function isNothing(expired: Expired | undefined): boolean {
  return expired === undefined || (expired.count === 0 && !expired.group);
}
