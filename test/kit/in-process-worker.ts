/** The checkpoint worker without its thread, on any disk: what it does becomes part of the disk's history. */
import { systemClock } from '../../src/base/clock.ts';
import type { CheckpointWorker } from '../../src/broker/checkpoints/checkpointer.ts';
import type { FromWorker, ToWorker, WorkerStart } from '../../src/broker/checkpoints/messages.ts';
import { WorkerLoop } from '../../src/broker/checkpoints/worker-loop.ts';
import type { Disk } from '../../src/journal/disk.ts';
import { MortalDisk } from './mortal-disk.ts';

export function inProcessWorker(disk: Disk): (start: WorkerStart) => CheckpointWorker {
  return (start) => new InProcessWorker(disk, start);
}

class InProcessWorker implements CheckpointWorker {
  readonly #disk: MortalDisk;
  readonly #loop: WorkerLoop;
  #onMessage: ((message: FromWorker) => void) | undefined;
  #onExit: (() => void) | undefined;
  #ended = false;

  constructor(disk: Disk, start: WorkerStart) {
    this.#disk = new MortalDisk(disk);
    this.#loop = new WorkerLoop(this.#disk.disk, systemClock, start, {
      say: (message) => setImmediate(() => this.#ended || this.#onMessage?.(message)),
      stepped: () => undefined,
      letGo: () => undefined,
      close: () => setImmediate(() => this.#end()),
    });
  }

  postMessage(message: ToWorker): void {
    this.#loop.post(message);
  }

  on(event: string, listener: (argument: never) => void): void {
    if (event === 'message') this.#onMessage = listener as (message: FromWorker) => void;
    if (event === 'exit') this.#onExit = listener as unknown as () => void;
  }

  async terminate(): Promise<void> {
    this.#ended = true;
    await this.#disk.die();
  }

  unref(): void {}

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onExit?.();
  }
}
