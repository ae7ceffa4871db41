/** The compaction worker without its thread, on any disk: what it does becomes part of the disk's history. */
import { systemClock } from '../../src/base/clock.ts';
import { compactRound } from '../../src/broker/compaction/compact-round.ts';
import type { CompactionWorker } from '../../src/broker/compaction/compactor.ts';
import type { CompactionStart, FromCompactionWorker } from '../../src/broker/compaction/messages.ts';
import type { Disk } from '../../src/journal/disk.ts';
import { diskWith } from '../../src/journal/open-disk.ts';
import { MortalDisk } from './mortal-disk.ts';

export function inProcessCompaction(disk: Disk): (start: CompactionStart) => CompactionWorker {
  return (start) => new InProcessCompaction(disk, start);
}

class InProcessCompaction implements CompactionWorker {
  readonly #disk: MortalDisk;
  #onMessage: ((message: FromCompactionWorker) => void) | undefined;
  #onExit: (() => void) | undefined;
  #ended = false;

  constructor(disk: Disk, { directory, round, keys, compression }: CompactionStart) {
    this.#disk = new MortalDisk(disk);
    void compactRound(diskWith(this.#disk.disk, keys, compression), systemClock, directory, round).then(
      (answer) => this.#say({ kind: 'done', ...answer }),
      (error: unknown) => this.#say({ kind: 'failed', message: String(error) }),
    );
  }

  on(event: string, listener: (argument: never) => void): void {
    if (event === 'message') this.#onMessage = listener as (message: FromCompactionWorker) => void;
    if (event === 'exit') this.#onExit = listener as unknown as () => void;
  }

  async terminate(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#disk.die();
    this.#onExit?.();
  }

  #say(message: FromCompactionWorker): void {
    setImmediate(() => {
      if (!this.#ended) this.#onMessage?.(message);
    });
  }
}
