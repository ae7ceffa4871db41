/**
 * Gives out producer ids. They are reserved in blocks, durably before the first of a block is used, so that a restart
 * never gives one out twice; what is left of a block then is lost, which costs nothing.
 */
import { type Journal, transactOnce } from '../journal/journal.ts';
import { type ClusterState, clusterCommands } from './cluster-state.ts';
import { COMMAND } from './state-part.ts';

const BLOCK_SIZE = 1000;

export class Producers {
  readonly #journal: Journal;
  readonly #state: ClusterState;
  #next = 0;
  #end = 0;
  #reserving: Promise<void> | undefined;

  constructor(journal: Journal, state: ClusterState) {
    this.#journal = journal;
    this.#state = state;
  }

  /** A fresh id with epoch 0. @throws what the journal refuses with. Concurrent calls share one reservation. */
  async allocateProducerId(): Promise<{ producerId: number; producerEpoch: number }> {
    while (this.#next === this.#end) {
      this.#reserving ??= this.#reserve().finally(() => {
        this.#reserving = undefined;
      });
      await this.#reserving;
    }
    return { producerId: this.#next++, producerEpoch: 0 };
  }

  async #reserve(): Promise<void> {
    const end = await transactOnce(this.#journal, (commit) => {
      const reserved = this.#state.producerIdsEnd + BLOCK_SIZE;
      commit.command(COMMAND.PRODUCER_IDS_RESERVED, clusterCommands.producerIdsReserved(reserved));
      return reserved;
    });
    this.#next = end - BLOCK_SIZE;
    this.#end = end;
  }
}
