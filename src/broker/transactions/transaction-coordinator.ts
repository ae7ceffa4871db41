/**
 * Transactions: who may write under a transactional id, what belongs to the transaction, and its end.
 *
 * ```
 *               InitProducerId                AddPartitions, AddOffsets                EndTxn
 *   (unknown) ───────────────► empty ───────────────────────────────► ongoing ─────────────────► committed, aborted
 *                                ▲                                     │   ▲                           │
 *                                └───────── InitProducerId ────────────│───│───────────────────────────┤
 *                                                                      │   └─ AddPartitions, AddOffsets┘
 *                                                                      └─ time-out, newer producer ──► aborted, epoch + 1
 * ```
 * In the second protocol (KIP-890) Produce and TxnOffsetCommit stand for AddPartitions and AddOffsets, and each EndTxn
 * gives the next epoch.
 *
 * Every decision is made in a build, on the head state, and is in the journal before it is answered: durably where the
 * answer lets a client go on to commit (epochs, offsets, ends). AddPartitions and AddOffsets are answered when they are
 * written: should a power loss take them, whatever builds on them is gone with them or refused, and the client aborts.
 *
 * States, events and invariants with their tests: docs/transactions.md. Source: KIP-98, KIP-360, KIP-447, KIP-664, KIP-890.
 */
import type { Clock } from '../../base/clock.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type CommitBuilder, type Degree, type Journal, transactOnce } from '../../journal/journal.ts';
import type { LogStore } from '../../store/log-store.ts';
import type { Partition } from '../../store/partition.ts';
import type { OffsetCommitAnswer } from '../groups/api.ts';
import { encodeOffsetChanges } from '../groups/offset-commands.ts';
import { COMMAND } from '../state-part.ts';
import {
  type AddOffsetsRequest,
  type AddPartitionsAnswer,
  type AddPartitionsRequest,
  type EndAnswer,
  type EndRequest,
  type InitProducerIdAnswer,
  type InitProducerIdRequest,
  type ProducerIdentity,
  TRANSACTION_DEFAULTS,
  type TransactionalGroups,
  type TransactionalOffsetsRequest,
  type TransactionCounters,
  type TransactionDescription,
  type TransactionListing,
  type TransactionSettings,
  type TransactionStatus,
  type Transactions,
} from './api.ts';
import { decideEnd } from './end-decision.ts';
import { decideInit, LAST_EPOCH } from './init-decision.ts';
import { Joining } from './joining.ts';
import { stageEnd } from './stage-end.ts';
import { type AddedPartition, transactionCommands } from './transaction-commands.ts';
import { TransactionTimeouts } from './transaction-timeouts.ts';
import { refuseProducer, type TransactionRecord, type TransactionsState } from './transactions-state.ts';

/** Ids looked at in one go, so that no request waits long behind a pass. */
const SLICE_IDS = 500;
const SLICE_PAUSE_MS = 10;

export interface TransactionCoordinatorOptions {
  readonly journal: Journal;
  /** Folded from the journal; complete when `start` is called. */
  readonly state: TransactionsState;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly settings?: Partial<TransactionSettings>;
  readonly allocateProducerId: () => Promise<{ readonly producerId: number }>;
  readonly findPartition: (topic: string, partition: number) => Partition | undefined;
  readonly groups: TransactionalGroups;
  readonly logger?: Logger | undefined;
}

interface Resolved {
  readonly topics: { readonly topic: string; readonly partitions: AddedPartition[] }[];
  readonly count: number;
  readonly missing: boolean;
}

export class TransactionCoordinator implements Transactions {
  readonly counters: TransactionCounters = { committed: 0, aborted: 0, timedOut: 0, fenced: 0, forced: 0 };
  /** For the append path. */
  readonly joining: Joining;
  readonly #options: TransactionCoordinatorOptions;
  readonly #settings: TransactionSettings;
  readonly #state: TransactionsState;
  readonly #timeouts: TransactionTimeouts;
  #pass: IterableIterator<TransactionRecord> | undefined;
  #stopped = false;

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options;
    this.#settings = { ...TRANSACTION_DEFAULTS, ...options.settings };
    this.#state = options.state;
    const { state, clock, settings } = options;
    this.joining = new Joining({ state, clock, settings, joined: (id) => this.#watch(id) });
    this.#timeouts = new TransactionTimeouts(options.clock, (id, startedAt) => void this.#timedOut(id, startedAt));
  }

  /** After recovery: transactions found open have what is left of their timeout. */
  start(): void {
    for (const record of this.#state.ongoing()) this.#timeouts.watch(record.transactionalId, record);
    this.#scheduleExpiry(this.#settings.transactionalIdCheckIntervalMs);
  }

  /** Open transactions stay open, for the next start. */
  stop(): void {
    this.#stopped = true;
    this.#timeouts.stop();
  }

  async initProducerId(request: InitProducerIdRequest): Promise<InitProducerIdAnswer> {
    const refusal = this.#refuseInit(request);
    if (refusal !== undefined) return { error: refusal };
    const answer = await this.#tryJournal('InitProducerId', () => this.#initialize(request));
    this.#watch(request.transactionalId);
    return answer?.value ?? { error: 'BROKER_COORDINATOR_UNAVAILABLE' };
  }

  async addPartitions(request: AddPartitionsRequest): Promise<AddPartitionsAnswer> {
    const refusal = this.#refuse(request.transactionalId);
    if (refusal !== undefined) return sameForAll(request, refusal);
    return await this.#change(
      'AddPartitionsToTxn',
      request,
      'written',
      (error) => sameForAll(request, error),
      (commit, record) =>
        request.verifyOnly ? this.#verify(request, record) : this.#addPartitions(commit, request, record),
    );
  }

  async addOffsets(request: AddOffsetsRequest): Promise<ErrorCode | undefined> {
    const refusal = this.#refuse(request.transactionalId) ?? this.#options.groups.refuseId(request.groupId);
    if (refusal !== undefined) return refusal;
    return await this.#change('AddOffsetsToTxn', request, 'written', same, (commit, record) => {
      if (record.groups.has(request.groupId)) return undefined;
      if (this.#state.sizeBytes > this.#settings.transactionMaxStateBytes) return 'BROKER_LIMIT_REACHED';
      this.#extend(commit, request.transactionalId, [], [request.groupId]);
      return undefined;
    });
  }

  async commitOffsets(request: TransactionalOffsetsRequest): Promise<OffsetCommitAnswer> {
    const asGroup = { ...request, retentionMs: -1 };
    const refusal = this.#refuse(request.transactionalId) ?? this.#options.groups.refuseTransactional(asGroup);
    if (refusal !== undefined) return { topics: sameOffsets(request, refusal) };
    const answer = await this.#tryJournal('TxnOffsetCommit', () =>
      transactOnce(this.#options.journal, (commit) => this.#stageOffsets(commit, request)),
    );
    if (request.joins) this.#watch(request.transactionalId);
    return answer?.value ?? { topics: sameOffsets(request, 'BROKER_COORDINATOR_UNAVAILABLE') };
  }

  async end(request: EndRequest): Promise<EndAnswer> {
    const refusal = this.#refuse(request.transactionalId);
    if (refusal !== undefined) return { error: refusal };
    const answer = await this.#tryJournal('EndTxn', () => this.#endTransaction(request));
    this.#watch(request.transactionalId);
    return answer?.value ?? { error: 'BROKER_COORDINATOR_UNAVAILABLE' };
  }

  async abort(transactionalId: string): Promise<ErrorCode | undefined> {
    if (this.#stopped) return 'BROKER_COORDINATOR_UNAVAILABLE';
    const answer = await this.#tryJournal('forced abort', () =>
      transactOnce(this.#options.journal, (commit): ErrorCode | undefined => {
        const record = this.#state.get(transactionalId);
        if (record === undefined) return 'BROKER_TRANSACTION_NOT_FOUND';
        if (record.phase !== 'ongoing') return 'BROKER_TRANSACTION_STATE_INVALID';
        this.#fence(commit, record);
        return undefined;
      }),
    );
    this.#watch(transactionalId);
    if (answer === undefined) return 'BROKER_COORDINATOR_UNAVAILABLE';
    if (answer.value === undefined) this.counters.forced += 1;
    return answer.value;
  }

  describe(transactionalId: string): TransactionDescription | undefined {
    const record = this.#state.get(transactionalId);
    if (record === undefined) return undefined;
    const { producerEpoch, timeoutMs } = record;
    return { ...listingOf(record), producerEpoch, timeoutMs, topics: topicsOf(record) };
  }

  list(): TransactionListing[] {
    return Array.from(this.#state.all(), listingOf);
  }

  status(): TransactionStatus {
    const now = this.#options.clock.now();
    let open = 0;
    let oldest = now;
    for (const { startedAt } of this.#state.ongoing()) {
      open += 1;
      oldest = Math.min(oldest, startedAt);
    }
    return { ids: this.#state.size, open, oldestOpenMs: now - oldest, stateBytes: this.#state.sizeBytes };
  }

  // Who is refused before the state is asked.

  #refuse(transactionalId: string): ErrorCode | undefined {
    if (this.#stopped) return 'BROKER_COORDINATOR_UNAVAILABLE';
    const isGood =
      transactionalId !== '' && Buffer.byteLength(transactionalId) <= this.#settings.transactionalIdMaxBytes;
    return isGood ? undefined : 'BROKER_REQUEST_INVALID';
  }

  #refuseInit({ transactionalId, timeoutMs, producerId, producerEpoch }: InitProducerIdRequest): ErrorCode | undefined {
    const refusal = this.#refuse(transactionalId);
    if (refusal !== undefined) return refusal;
    if (!(producerId >= -1 && producerEpoch >= -1) || producerId < 0 !== producerEpoch < 0) {
      return 'BROKER_REQUEST_INVALID';
    }
    const isGood = timeoutMs > 0 && timeoutMs <= this.#settings.transactionMaxTimeoutMs;
    return isGood ? undefined : 'BROKER_TRANSACTION_TIMEOUT_INVALID';
  }

  // Inside builds.

  async #initialize(request: InitProducerIdRequest): Promise<InitProducerIdAnswer> {
    for (;;) {
      // Reserving ids is a transaction of its own; one that turns out not to be needed is lost, which costs nothing.
      const needed = decideInit(this.#state.get(request.transactionalId), request).kind === 'fresh';
      const fresh = needed ? (await this.#options.allocateProducerId()).producerId : undefined;
      const answer = await transactOnce(this.#options.journal, (commit) => this.#init(commit, request, fresh));
      if (answer === 'fence') {
        this.counters.fenced += 1;
        return { error: 'BROKER_TRANSACTION_CONCURRENT' };
      }
      if (answer !== 'again') return answer;
    }
  }

  #init(
    commit: CommitBuilder,
    request: InitProducerIdRequest,
    fresh: number | undefined,
  ): InitProducerIdAnswer | 'again' | 'fence' {
    const { transactionalId, timeoutMs } = request;
    const record = this.#state.get(transactionalId);
    const decision = decideInit(record, request);
    if (decision.kind === 'refuse') return { error: decision.error };
    if (decision.kind === 'fence') {
      this.#fence(commit, record as TransactionRecord);
      return 'fence';
    }
    if (decision.kind === 'fresh' && fresh === undefined) return 'again';
    if (record === undefined && this.#isFull()) return { error: 'BROKER_LIMIT_REACHED' };
    const isFresh = decision.kind === 'fresh';
    const producerId = isFresh ? (fresh as number) : (record as TransactionRecord).producerId;
    const producerEpoch = isFresh ? 0 : decision.epoch;
    const previousProducerId = isFresh ? decision.previousProducerId : (record as TransactionRecord).previousProducerId;
    const { previousEpoch } = decision;
    commit.command(
      COMMAND.TRANSACTIONAL_ID_INITIALIZED,
      transactionCommands.initialized({
        transactionalId,
        at: this.#options.clock.now(),
        producerId,
        producerEpoch,
        previousProducerId,
        previousEpoch,
        timeoutMs,
      }),
    );
    return { error: undefined, producerId, producerEpoch };
  }

  #isFull(): boolean {
    const { transactionalIdMaxCount, transactionMaxStateBytes } = this.#settings;
    return this.#state.size >= transactionalIdMaxCount || this.#state.sizeBytes > transactionMaxStateBytes;
  }

  #addPartitions(commit: CommitBuilder, request: AddPartitionsRequest, record: TransactionRecord): AddPartitionsAnswer {
    const resolved = this.#resolve(request, record);
    if (resolved.missing) return this.#tellMissing(request);
    if (resolved.count === 0) return sameForAll(request, undefined);
    const refusal = this.joining.refuseMore(record, resolved.count);
    if (refusal !== undefined) return sameForAll(request, refusal);
    this.#extend(commit, request.transactionalId, resolved.topics, []);
    return sameForAll(request, undefined);
  }

  /** Partitions that are not in the transaction yet. */
  #resolve(request: AddPartitionsRequest, record: TransactionRecord): Resolved {
    const topics: Resolved['topics'] = [];
    let count = 0;
    let missing = false;
    for (const { topic, partitions } of request.topics) {
      const added: AddedPartition[] = [];
      for (const index of partitions) {
        const partition = this.#options.findPartition(topic, index);
        if (partition === undefined) missing = true;
        else if (!record.partitions.has(partition.number)) added.push({ number: partition.number, index });
      }
      if (added.length > 0) topics.push({ topic, partitions: added });
      count += added.length;
    }
    return { topics, count, missing };
  }

  #tellMissing(request: AddPartitionsRequest): AddPartitionsAnswer {
    return forEach(request, (topic, index) => {
      const exists = this.#options.findPartition(topic, index) !== undefined;
      return exists ? 'BROKER_TRANSACTION_NOT_ATTEMPTED' : 'BROKER_PARTITION_NOT_FOUND';
    });
  }

  #verify(request: AddPartitionsRequest, record: TransactionRecord): AddPartitionsAnswer {
    return forEach(request, (topic, index) => {
      const partition = this.#options.findPartition(topic, index);
      const isIn = partition !== undefined && record.partitions.has(partition.number);
      return isIn ? undefined : 'BROKER_TRANSACTION_ABORTABLE';
    });
  }

  #extend(commit: CommitBuilder, transactionalId: string, topics: Resolved['topics'], groups: readonly string[]): void {
    const at = this.#options.clock.now();
    commit.command(COMMAND.TRANSACTION_EXTENDED, transactionCommands.extended({ transactionalId, at, topics, groups }));
  }

  #stageOffsets(commit: CommitBuilder, request: TransactionalOffsetsRequest): OffsetCommitAnswer {
    const record = this.#state.get(request.transactionalId);
    const wrong = refuseProducer(record, request);
    // Consumers' offsets: clients know the older code here.
    const refusal = wrong === 'BROKER_PRODUCER_FENCED' ? 'BROKER_PRODUCER_EPOCH_OLD' : wrong;
    if (refusal !== undefined) return { topics: sameOffsets(request, refusal) };
    const isIn = record?.groups.has(request.groupId) === true;
    if (!isIn && !request.joins) return { topics: sameOffsets(request, 'BROKER_TRANSACTION_ABORTABLE') };
    if (this.#state.sizeBytes > this.#settings.transactionMaxStateBytes) {
      return { topics: sameOffsets(request, 'BROKER_LIMIT_REACHED') };
    }
    const now = this.#options.clock.now();
    const { answer, changes } = this.#options.groups.admitOffsets({ ...request, retentionMs: -1 }, now);
    if (!isIn) this.#extend(commit, request.transactionalId, [], [request.groupId]);
    for (const body of encodeOffsetChanges(request.groupId, 'stored', now, changes)) {
      commit.command(
        COMMAND.TRANSACTION_OFFSETS_STAGED,
        transactionCommands.offsetsStaged(request.transactionalId, body),
      );
    }
    return answer;
  }

  async #endTransaction(request: EndRequest): Promise<EndAnswer> {
    for (;;) {
      const needed = decideEnd(this.#state.get(request.transactionalId), request).kind === 'end-fresh';
      const fresh = needed ? (await this.#options.allocateProducerId()).producerId : undefined;
      let ended = false;
      const answer = await transactOnce(this.#options.journal, (commit) => {
        const decision = decideEnd(this.#state.get(request.transactionalId), request);
        ended = decision.kind === 'end' || decision.kind === 'end-fresh';
        if (decision.kind === 'refuse') return { error: decision.error };
        if (decision.kind === 'end-fresh' && fresh === undefined) return 'again';
        if (ended) this.#stageEnd(commit, request, decision.kind === 'end-fresh' ? fresh : undefined);
        const { producerId, producerEpoch } = this.#state.get(request.transactionalId) as TransactionRecord;
        return { error: undefined, producerId, producerEpoch };
      });
      if (answer === 'again') continue;
      if (ended) this.counters[request.committed ? 'committed' : 'aborted'] += 1;
      return answer;
    }
  }

  /** @param fresh producer id for an epoch that would be past the last. */
  #stageEnd(commit: CommitBuilder, { transactionalId, committed, bumpsEpoch }: EndRequest, fresh?: number): void {
    const record = this.#state.get(transactionalId) as TransactionRecord;
    const next = record.producerEpoch + 1;
    stageEnd(commit, this.#options.store, record, {
      committed,
      markerEpoch: bumpsEpoch ? next : record.producerEpoch,
      producerId: fresh ?? record.producerId,
      producerEpoch: fresh !== undefined ? 0 : bumpsEpoch ? next : record.producerEpoch,
      previousEpoch: bumpsEpoch ? record.producerEpoch : -1,
      at: this.#options.clock.now(),
    });
  }

  /**
   * Aborts under the next epoch, so that whatever the producer still sends is refused.
   * @param isRecoverable nobody else has the id since, and the producer may go on from here.
   */
  #fence(commit: CommitBuilder, record: TransactionRecord, isRecoverable = false): void {
    const { producerId, producerEpoch } = record;
    const next = producerEpoch + 1;
    stageEnd(commit, this.#options.store, record, {
      committed: false,
      markerEpoch: next,
      producerId,
      producerEpoch: next,
      // An epoch past the last is for fencing only: nobody may go on with it.
      previousEpoch: isRecoverable && next <= LAST_EPOCH ? producerEpoch : -1,
      at: this.#options.clock.now(),
    });
  }

  // By the clock.

  async #timedOut(transactionalId: string, startedAt: number): Promise<void> {
    const done = await this.#tryJournal('time-out', () =>
      transactOnce(this.#options.journal, (commit) => {
        const record = this.#state.get(transactionalId);
        if (record?.phase !== 'ongoing' || record.startedAt !== startedAt) return false;
        this.#fence(commit, record, true);
        return true;
      }),
    );
    if (this.#stopped) return;
    if (done === undefined) {
      this.#timeouts.retry(transactionalId);
      return;
    }
    if (done.value) {
      this.counters.timedOut += 1;
      this.#options.logger?.info('A transaction was aborted: its producer was silent for too long.', {
        transactionalId,
      });
    }
    this.#watch(transactionalId);
  }

  #scheduleExpiry(delayMs: number): void {
    this.#timeouts.deadlines.create(() => this.#expireSlice()).set(delayMs);
  }

  #expireSlice(): void {
    this.#pass ??= this.#state.all();
    for (let i = 0; i < SLICE_IDS; i++) {
      const next = this.#pass.next();
      if (next.done === true) {
        this.#pass = undefined;
        this.#scheduleExpiry(this.#settings.transactionalIdCheckIntervalMs);
        return;
      }
      if (this.#isIdle(next.value)) void this.#forget(next.value.transactionalId);
    }
    this.#scheduleExpiry(SLICE_PAUSE_MS);
  }

  #isIdle({ phase, changedAt }: TransactionRecord): boolean {
    const idleMs = this.#options.clock.now() - changedAt;
    return phase !== 'ongoing' && idleMs >= this.#settings.transactionalIdExpirationMs;
  }

  async #forget(transactionalId: string): Promise<void> {
    // A refusal is no harm: the next pass finds it again.
    await this.#tryJournal('forgetting', () =>
      transactOnce(this.#options.journal, (commit) => {
        const record = this.#state.get(transactionalId);
        if (record === undefined || !this.#isIdle(record)) return;
        commit.command(COMMAND.TRANSACTIONAL_ID_FORGOTTEN, transactionCommands.forgotten(transactionalId));
      }),
    );
  }

  // Common.

  /** Runs `build` for the producer that has the id now; anybody else, and whom the journal refuses, is told so. */
  async #change<T>(
    what: string,
    request: ProducerIdentity,
    degree: Degree,
    refused: (error: ErrorCode) => T,
    build: (commit: CommitBuilder, record: TransactionRecord) => T,
  ): Promise<T> {
    const answer = await this.#tryJournal(what, () =>
      transactOnce(
        this.#options.journal,
        (commit): T => {
          const record = this.#state.get(request.transactionalId);
          const refusal = refuseProducer(record, request);
          return refusal === undefined ? build(commit, record as TransactionRecord) : refused(refusal);
        },
        degree,
      ),
    );
    this.#watch(request.transactionalId);
    return answer === undefined ? refused('BROKER_COORDINATOR_UNAVAILABLE') : answer.value;
  }

  #watch(transactionalId: string): void {
    if (!this.#stopped) this.#timeouts.watch(transactionalId, this.#state.get(transactionalId));
  }

  /** Undefined when the journal refused: whether the change happened may then be unknown, so clients shall ask again. */
  async #tryJournal<T>(what: string, run: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
    try {
      return { value: await run() };
    } catch (error) {
      this.#options.logger?.error('the journal refused a change of a transaction', { what, error: String(error) });
      return undefined;
    }
  }
}

function same<T>(value: T): T {
  return value;
}

type Topics = Pick<AddPartitionsRequest, 'topics'>;

function forEach(request: Topics, judge: (topic: string, index: number) => ErrorCode | undefined): AddPartitionsAnswer {
  return request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map((partition) => ({ partition, error: judge(topic, partition) })),
  }));
}

function sameForAll(request: Topics, error: ErrorCode | undefined): AddPartitionsAnswer {
  return forEach(request, () => error);
}

function sameOffsets(request: TransactionalOffsetsRequest, error: ErrorCode): OffsetCommitAnswer['topics'] {
  return request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition }) => ({ partition, error })),
  }));
}

function listingOf({ transactionalId, producerId, phase, startedAt }: TransactionRecord): TransactionListing {
  return { transactionalId, producerId, phase, startedAt };
}

function topicsOf(record: TransactionRecord): TransactionDescription['topics'] {
  const topics = new Map<string, number[]>();
  for (const { topic, index } of record.partitions.values()) {
    const partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, [index]);
    else partitions.push(index);
  }
  return Array.from(topics, ([topic, partitions]) => ({ topic, partitions: partitions.sort((a, b) => a - b) }));
}
