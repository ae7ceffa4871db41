/**
 * Transactional ids as folded from the journal: who has each, what its transaction has touched, and what offsets wait for
 * its end. Decides nothing but what a produced batch may do, which is a look at the state.
 *
 * Which records belong to a transaction is the partitions' knowledge (store/transaction-index.ts), folded from the batches.
 *
 * Checkpoint section: u8 version 1, u32 count, for each: str transactionalId, i64 producerId, u16 producerEpoch,
 * i64 previousProducerId, i32 previousEpoch, u32 timeoutMs, u8 phase, i64 startedAt, i64 changedAt, list of (u32 number,
 * str topic, u32 index), list of (str group, list of (str topic, u32 count, for each: u32 partition, i64 committedAt, then
 * as in groups/offset-commands.ts from `offset` on)).
 */
import { assert, type ErrorCode, MillraceError } from '../../base/errors.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';
import type { LogStore } from '../../store/log-store.ts';
import { checkVersion } from '../groups/group-image.ts';
import { decodeOffsetChanges, readOffset, writeOffset } from '../groups/offset-commands.ts';
import { TopicOffsets } from '../groups/topic-offsets.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { ProducerIdentity, TransactionPhase } from './api.ts';
import {
  type Ended,
  type Extended,
  type Initialized,
  openCommand,
  openEnded,
  readExtended,
  readInitialized,
} from './transaction-commands.ts';

const SECTION_VERSION = 1;
/** On disk: never renumber. */
const PHASES = ['empty', 'ongoing', 'committed', 'aborted'] as const satisfies readonly TransactionPhase[];
/** Record, its maps and map entries, and its id, approximately. */
const RECORD_BYTES = 600;
const PARTITION_BYTES = 120;
const GROUP_BYTES = 300;

export interface TransactionPartition {
  readonly topic: string;
  readonly index: number;
}

/** By topic. */
export type PendingOffsets = ReadonlyMap<string, TopicOffsets>;

export interface TransactionRecord {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly previousProducerId: number;
  readonly previousEpoch: number;
  readonly timeoutMs: number;
  readonly phase: TransactionPhase;
  /** Wall clock of the transaction that is open, or -1. */
  readonly startedAt: number;
  readonly changedAt: number;
  /** By number in the lane. */
  readonly partitions: ReadonlyMap<number, TransactionPartition>;
  readonly groups: ReadonlyMap<string, PendingOffsets>;
}

/** Who keeps something that becomes valid with a transaction. */
export interface TransactionEnds {
  /** @param at wall clock, milliseconds. */
  transactionEnded(partitions: Iterable<number>, producerId: number, committed: boolean, at: number): void;
}

class Stored implements TransactionRecord {
  readonly transactionalId: string;
  producerId = -1;
  producerEpoch = -1;
  previousProducerId = -1;
  previousEpoch = -1;
  timeoutMs = 0;
  phase: TransactionPhase = 'empty';
  startedAt = -1;
  changedAt = 0;
  readonly partitions = new Map<number, TransactionPartition>();
  readonly groups = new Map<string, Map<string, TopicOffsets>>();

  constructor(transactionalId: string) {
    this.transactionalId = transactionalId;
  }
}

export class TransactionsState implements StatePart {
  readonly section = CHECKPOINT_SECTION.TRANSACTIONS;
  readonly commands = [
    COMMAND.TRANSACTIONAL_ID_INITIALIZED,
    COMMAND.TRANSACTION_EXTENDED,
    COMMAND.TRANSACTION_OFFSETS_STAGED,
    COMMAND.TRANSACTION_ENDED,
    COMMAND.TRANSACTIONAL_ID_FORGOTTEN,
  ];
  readonly #store: LogStore;
  readonly #ids = new Map<string, Stored>();
  readonly #byProducer = new Map<number, Stored>();
  readonly #ongoing = new Set<Stored>();
  /** Ongoing transactions with offsets of a group: every OffsetFetch asks. */
  readonly #byGroup = new Map<string, Set<Stored>>();
  readonly #onEnd: TransactionEnds | undefined;
  #sizeBytes = 0;

  /** @param onEnd part of the fold, before the record is cleared. */
  constructor(store: LogStore, onEnd?: TransactionEnds) {
    this.#store = store;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#ids.size;
  }

  /** Approximate memory of everything here. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(transactionalId: string): TransactionRecord | undefined {
    return this.#ids.get(transactionalId);
  }

  /** In order of creation; ids may be changed or forgotten during the walk. */
  all(): IterableIterator<TransactionRecord> {
    return this.#ids.values();
  }

  ongoing(): Iterable<TransactionRecord> {
    return this.#ongoing;
  }

  /**
   * Whether a transactional batch may be appended to the partition: BROKER_TRANSACTION_ABORTABLE where the producer is the
   * right one and the partition is not in its transaction. Hot path of transactional producers.
   */
  refuseBatch(producerId: number, producerEpoch: number, partition: number): ErrorCode | undefined {
    const record = this.#byProducer.get(producerId);
    if (record === undefined) return 'BROKER_TRANSACTION_ID_UNKNOWN';
    if (record.producerEpoch !== producerEpoch) return 'BROKER_PRODUCER_EPOCH_OLD';
    return record.partitions.has(partition) ? undefined : 'BROKER_TRANSACTION_ABORTABLE';
  }

  /** Who has the producer id now. */
  ofProducer(producerId: number): TransactionRecord | undefined {
    return this.#byProducer.get(producerId);
  }

  /** An open transaction may still change what the group has committed there. */
  hasPendingOffset(groupId: string, topic: string, partition: number): boolean {
    const records = this.#byGroup.get(groupId);
    if (records === undefined) return false;
    for (const { groups } of records) if (groups.get(groupId)?.get(topic)?.has(partition) === true) return true;
    return false;
  }

  apply(type: number, body: Uint8Array): void {
    if (type === COMMAND.TRANSACTION_ENDED) return this.#ended(openEnded(body));
    const { reader, transactionalId } = openCommand(body);
    switch (type) {
      case COMMAND.TRANSACTIONAL_ID_INITIALIZED:
        return this.#initialized(readInitialized(reader, transactionalId));
      case COMMAND.TRANSACTION_EXTENDED:
        return this.#extended(readExtended(reader, transactionalId));
      case COMMAND.TRANSACTION_OFFSETS_STAGED:
        return this.#offsetsStaged(this.#known(transactionalId), reader.bytes());
      case COMMAND.TRANSACTIONAL_ID_FORGOTTEN:
        return this.#forgotten(this.#known(transactionalId));
      default:
        assert(false, `command ${type} does not belong to transactions`);
    }
  }

  /** The topic is gone: nothing of it is left to end. Called by the fold of its deletion, live and in replay. */
  topicDeleted(topic: string): void {
    for (const record of this.#ongoing) {
      for (const [number, partition] of record.partitions) {
        if (partition.topic !== topic) continue;
        record.partitions.delete(number);
        this.#sizeBytes -= PARTITION_BYTES;
      }
      for (const topics of record.groups.values()) {
        this.#sizeBytes -= topics.get(topic)?.sizeBytes ?? 0;
        topics.delete(topic);
      }
    }
  }

  snapshot(writer: StateWriter): void {
    writer.u8(SECTION_VERSION);
    writer.list(this.#ids.values(), (record) => writeRecord(writer, record));
  }

  restore(reader: StateReader): void {
    checkVersion('checkpoint section of transactions', reader.u8(), SECTION_VERSION);
    reader.list(() => this.#restoreOne(reader));
  }

  #initialized(body: Initialized): void {
    const record = this.#ids.get(body.transactionalId) ?? this.#create(body.transactionalId);
    assert(record.phase !== 'ongoing', `transactional id ${body.transactionalId} is initialized inside a transaction`);
    this.#setProducer(record, body.producerId);
    record.producerEpoch = body.producerEpoch;
    record.previousProducerId = body.previousProducerId;
    record.previousEpoch = body.previousEpoch;
    record.timeoutMs = body.timeoutMs;
    record.phase = 'empty';
    record.changedAt = body.at;
  }

  #extended(body: Extended): void {
    const record = this.#known(body.transactionalId);
    if (record.phase !== 'ongoing') {
      record.phase = 'ongoing';
      record.startedAt = body.at;
      this.#ongoing.add(record);
    }
    record.changedAt = body.at;
    for (const { topic, partitions } of body.topics) {
      for (const { number, index } of partitions) this.#addPartition(record, number, topic, index);
    }
    for (const group of body.groups) this.#addGroup(record, group);
  }

  #offsetsStaged(record: Stored, changes: Uint8Array): void {
    decodeOffsetChanges(changes, (groupId, topic, partition, committed) => {
      const topics = this.#addGroup(record, groupId);
      let offsets = topics.get(topic);
      if (offsets === undefined) {
        offsets = new TopicOffsets();
        topics.set(topic, offsets);
        this.#sizeBytes += offsets.sizeBytes;
      }
      const before = offsets.sizeBytes;
      assert(committed !== null, 'a transaction stages the forgetting of offsets');
      offsets.set(partition, committed);
      this.#sizeBytes += offsets.sizeBytes - before;
    });
  }

  #ended(body: Ended): void {
    const record = this.#known(body.transactionalId);
    // A producer whose epoch ends with each transaction may abort one that it has not begun (KIP-890).
    assert(
      record.phase === 'ongoing' || !body.committed,
      `transactional id ${body.transactionalId} ends no transaction`,
    );
    for (const { partition, firstOffset, markerOffset } of body.aborted) {
      const transactions = this.#store.partition(partition)?.transactionsForUpdate();
      transactions?.aborted(record.producerId, firstOffset, markerOffset);
    }
    this.#onEnd?.transactionEnded(record.partitions.keys(), record.producerId, body.committed, body.at);
    this.#clear(record);
    record.phase = body.committed ? 'committed' : 'aborted';
    if (body.previousEpoch !== undefined) record.previousEpoch = body.previousEpoch;
    // A fenced producer must not pass for one that repeats itself.
    else if (record.producerEpoch !== body.producerEpoch) record.previousEpoch = -1;
    record.producerEpoch = body.producerEpoch;
    if (body.producerId !== undefined && body.producerId !== record.producerId) {
      record.previousProducerId = record.producerId;
      this.#setProducer(record, body.producerId);
    }
    record.startedAt = -1;
    record.changedAt = body.at;
  }

  #forgotten(record: Stored): void {
    this.#clear(record);
    this.#ids.delete(record.transactionalId);
    this.#byProducer.delete(record.producerId);
    this.#sizeBytes -= RECORD_BYTES + record.transactionalId.length;
  }

  #create(transactionalId: string): Stored {
    const record = new Stored(transactionalId);
    this.#ids.set(transactionalId, record);
    this.#sizeBytes += RECORD_BYTES + transactionalId.length;
    return record;
  }

  #setProducer(record: Stored, producerId: number): void {
    if (record.producerId !== producerId) this.#byProducer.delete(record.producerId);
    record.producerId = producerId;
    this.#byProducer.set(producerId, record);
  }

  #addPartition(record: Stored, number: number, topic: string, index: number): void {
    if (!record.partitions.has(number)) this.#sizeBytes += PARTITION_BYTES;
    record.partitions.set(number, { topic, index });
  }

  #addGroup(record: Stored, groupId: string): Map<string, TopicOffsets> {
    let topics = record.groups.get(groupId);
    if (topics === undefined) {
      topics = new Map();
      record.groups.set(groupId, topics);
      this.#sizeBytes += GROUP_BYTES + groupId.length;
      const records = this.#byGroup.get(groupId);
      if (records === undefined) this.#byGroup.set(groupId, new Set([record]));
      else records.add(record);
    }
    return topics;
  }

  /** Drops what an open transaction has touched. */
  #clear(record: Stored): void {
    this.#ongoing.delete(record);
    this.#sizeBytes -= record.partitions.size * PARTITION_BYTES;
    record.partitions.clear();
    for (const [groupId, topics] of record.groups) {
      this.#sizeBytes -= GROUP_BYTES + groupId.length;
      for (const offsets of topics.values()) this.#sizeBytes -= offsets.sizeBytes;
      const records = this.#byGroup.get(groupId);
      records?.delete(record);
      if (records?.size === 0) this.#byGroup.delete(groupId);
    }
    record.groups.clear();
  }

  #known(transactionalId: string): Stored {
    const record = this.#ids.get(transactionalId);
    assert(record !== undefined, `a state command names transactional id ${transactionalId}, which does not exist`);
    return record;
  }

  #restoreOne(reader: StateReader): void {
    const record = this.#create(reader.string());
    this.#setProducer(record, reader.i64());
    record.producerEpoch = reader.u16();
    record.previousProducerId = reader.i64();
    record.previousEpoch = reader.i32();
    record.timeoutMs = reader.u32();
    record.phase = phaseOf(reader.u8(), record.transactionalId);
    record.startedAt = reader.i64();
    record.changedAt = reader.i64();
    if (record.phase === 'ongoing') this.#ongoing.add(record);
    reader.list(() => this.#addPartition(record, reader.u32(), reader.string(), reader.u32()));
    reader.list(() => {
      const topics = this.#addGroup(record, reader.string());
      reader.list(() => {
        const offsets = new TopicOffsets();
        topics.set(reader.string(), offsets);
        reader.list(() => {
          const partition = reader.u32();
          offsets.set(partition, readOffset(reader, reader.i64()));
        });
        this.#sizeBytes += offsets.sizeBytes;
      });
    });
  }
}

function phaseOf(number: number, transactionalId: string): TransactionPhase {
  const phase = PHASES[number];
  if (phase !== undefined) return phase;
  throw new MillraceError(
    'STORE_CORRUPT',
    `Transactional id "${transactionalId}" has a phase ${number}, which does not exist.`,
  );
}

function writeRecord(writer: StateWriter, record: Stored): void {
  writer.string(record.transactionalId).i64(record.producerId).u16(record.producerEpoch);
  writer.i64(record.previousProducerId).i32(record.previousEpoch).u32(record.timeoutMs);
  writer.u8(PHASES.indexOf(record.phase)).i64(record.startedAt).i64(record.changedAt);
  writer.list(record.partitions, ([number, { topic, index }]) => writer.u32(number).string(topic).u32(index));
  writer.list(record.groups, ([group, topics]) => {
    writer.string(group).list(topics, ([topic, offsets]) => {
      writer.string(topic).u32(offsets.count);
      for (const [partition, committed] of offsets.entries()) {
        writer.u32(partition).i64(committed.committedAt);
        writeOffset(writer, committed);
      }
    });
  });
}

/** Why a request in the name of a producer is refused. */
export function refuseProducer(
  record: TransactionRecord | undefined,
  { producerId, producerEpoch }: ProducerIdentity,
): ErrorCode | undefined {
  if (record === undefined || record.producerId !== producerId) return 'BROKER_TRANSACTION_ID_UNKNOWN';
  return record.producerEpoch === producerEpoch ? undefined : 'BROKER_PRODUCER_FENCED';
}
