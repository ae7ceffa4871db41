/**
 * Partitions that join a transaction with the first batch written to them, in the commit of that batch: clients of the
 * second transaction protocol send no AddPartitionsToTxn (KIP-890).
 */
import type { Clock } from '../../base/clock.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { CommitBuilder } from '../../journal/journal.ts';
import type { Partition } from '../../store/partition.ts';
import { COMMAND } from '../state-part.ts';
import { TRANSACTION_DEFAULTS, type TransactionSettings } from './api.ts';
import { transactionCommands } from './transaction-commands.ts';
import type { TransactionRecord, TransactionsState } from './transactions-state.ts';

export interface JoiningOptions {
  readonly state: TransactionsState;
  readonly clock: Clock;
  readonly settings?: Partial<TransactionSettings> | undefined;
  /** After the commit: a transaction may have begun, and its timeout runs. */
  readonly joined: (transactionalId: string) => void;
}

export class Joining {
  readonly joined: (transactionalId: string) => void;
  readonly #state: TransactionsState;
  readonly #clock: Clock;
  readonly #settings: TransactionSettings;

  constructor(options: JoiningOptions) {
    this.#state = options.state;
    this.#clock = options.clock;
    this.#settings = { ...TRANSACTION_DEFAULTS, ...options.settings };
    this.joined = options.joined;
  }

  /** Inside a build: whether the producer's transaction has room for one more. */
  refuse(producerId: number): ErrorCode | undefined {
    const record = this.#state.ofProducer(producerId);
    if (record === undefined) return 'BROKER_TRANSACTION_ID_UNKNOWN';
    return this.refuseMore(record, 1);
  }

  /** The same for several. */
  refuseMore(record: TransactionRecord, count: number): ErrorCode | undefined {
    const { transactionMaxPartitions, transactionMaxStateBytes } = this.#settings;
    const isTooMuch =
      record.partitions.size + count > transactionMaxPartitions || this.#state.sizeBytes > transactionMaxStateBytes;
    return isTooMuch ? 'BROKER_LIMIT_REACHED' : undefined;
  }

  /** Inside a build, where `refuse` did not. @returns whose transaction it is, for `joined`. */
  stage(commit: CommitBuilder, producerId: number, topic: string, { number, index }: Partition): string {
    const transactionalId = this.#state.ofProducer(producerId)?.transactionalId ?? '';
    const topics = [{ topic, partitions: [{ number, index }] }];
    const body = { transactionalId, at: this.#clock.now(), topics, groups: [] };
    commit.command(COMMAND.TRANSACTION_EXTENDED, transactionCommands.extended(body));
    return transactionalId;
  }
}
