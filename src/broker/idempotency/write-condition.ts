/** What a write may ask for: that logs still end where its writer last saw them end, and that it happens once. */
import { type ErrorCode, MillraceError } from '../../base/errors.ts';
import type { CommitBuilder } from '../../journal/journal.ts';
import type { Partition } from '../../store/partition.ts';
import type { AppendCondition } from '../produce.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import { encodeKeyUse, type IdempotencyKeysState, type KeyUse, type WrittenTopic } from './idempotency-keys-state.ts';

/** Optimistic append: the write happens only if the partition still ends here. */
export interface ExpectedEnd {
  readonly topic: Topic;
  readonly partition: Partition;
  readonly endOffset: number;
}

export interface KeyedRequest {
  /** With its scope in front. */
  readonly key: string;
  readonly fingerprint: Uint8Array;
}

export interface IdempotencyCounters {
  /** Requests whose key was used before, by the same request: answered and not written. */
  replayed: number;
  /** Writes refused because a log had moved on. */
  conflicts: number;
}

export interface WriteConditionOptions {
  readonly state: IdempotencyKeysState;
  readonly counters: IdempotencyCounters;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly topicById: (id: string) => Topic | undefined;
  readonly ends: readonly ExpectedEnd[];
  readonly keyed: KeyedRequest | undefined;
  /** What the items came to; asked when each has its offset. */
  readonly written: () => readonly WrittenTopic[];
}

export class WriteCondition implements AppendCondition {
  readonly #options: WriteConditionOptions;
  /** What the request under this key wrote, where it was here before. */
  replayed: KeyUse | undefined;
  /** Why nothing was written, where it is for this condition. */
  refused: MillraceError | undefined;

  constructor(options: WriteConditionOptions) {
    this.#options = options;
  }

  check(): 'append' | 'skip' | ErrorCode {
    this.replayed = undefined;
    this.refused = undefined;
    const { keyed, counters } = this.#options;
    // The key first: the repeat of an optimistic append finds the end moved by itself.
    const use = keyed === undefined ? undefined : this.#use(keyed.key);
    if (use !== undefined) {
      if (Buffer.compare(use.fingerprint, keyed?.fingerprint ?? use.fingerprint) !== 0) {
        this.refused = keyReused();
        return this.refused.code;
      }
      this.replayed = use;
      counters.replayed += 1;
      return 'skip';
    }
    const moved = this.#options.ends.find(({ partition, endOffset }) => partition.endOffset !== endOffset);
    if (moved === undefined) return 'append';
    counters.conflicts += 1;
    this.refused = endMoved(moved);
    return this.refused.code;
  }

  stage(commit: CommitBuilder): void {
    const { keyed, now, written } = this.#options;
    if (keyed !== undefined) {
      commit.command(COMMAND.IDEMPOTENCY_KEY_USED, encodeKeyUse({ ...keyed, at: now, writes: written() }));
    }
  }

  /** A key whose topics are gone tells of nothing that is there. */
  #use(key: string): KeyUse | undefined {
    const { state, now, topicById } = this.#options;
    const use = state.find(key, now);
    return use?.writes.every(({ topicId }) => topicById(topicId)?.deleted === false) === true ? use : undefined;
  }
}

function keyReused(): MillraceError {
  return new MillraceError(
    'BROKER_IDEMPOTENCY_KEY_REUSED',
    'This idempotency key was used by another request. A repeat must be the same request; a new one needs a new key.',
  );
}

function endMoved({ topic, partition, endOffset: expectedOffset }: ExpectedEnd): MillraceError {
  const { index, endOffset } = partition;
  return new MillraceError(
    'BROKER_OFFSET_CONFLICT',
    `${topic.name}, partition ${index}, ends at offset ${endOffset} and not at ${expectedOffset}; nothing was written. ` +
      'Read what is new, decide again, and send the new end.',
    { details: { topic: topic.name, partition: index, expectedOffset, endOffset } },
  );
}
