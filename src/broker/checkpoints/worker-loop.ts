/** What the checkpoint worker does with its messages: one after the other, until one fails. */
import type { Clock } from '../../base/clock.ts';
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import { diskWith } from '../../journal/open-disk.ts';
import { ChunkMemory } from '../chunks/chunk-memory.ts';
import type { ToStore } from '../chunks/chunk-writer.ts';
import { SealPace } from '../chunks/seal-pace.ts';
import { NOTHING_SEALED, type SealedRound } from '../chunks/seal-round.ts';
import type { TieredPlace } from '../tiering/messages.ts';
import { Folder, type FolderMemory, type Removed } from './folder.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';

export interface WorkerPort {
  say(message: FromWorker): void;
  /** Nothing more will be said. */
  close(): void;
  /** A step is done: much of what it needed is garbage. */
  stepped(): void;
  /** The state is, or what a round of sealing needed, which is nearly all there was. */
  letGo(): void;
}

type SealCall = Omit<Extract<ToWorker, { kind: 'seal' }>, 'kind'>;

export class WorkerLoop {
  readonly #folder: Folder;
  readonly #port: WorkerPort;
  readonly #pace: SealPace;
  /** Kept from a round to the next. */
  #memory: ChunkMemory | undefined;
  /** Chunks that were sent to be stored, by number. */
  readonly #storing = new Map<number, PromiseWithResolvers<TieredPlace>>();
  #queue = Promise.resolve();
  #failed = false;
  /** What is being written or removed, or was last. Never rejects. */
  #removal: Promise<unknown> = Promise.resolve();
  /** What the last checkpoint has set free is being removed: not in line, since a round of sealing may be waited for. */
  #removing: Promise<void> = Promise.resolve();

  constructor(disk: Disk, clock: Clock, start: WorkerStart, port: WorkerPort) {
    this.#pace = new SealPace(clock);
    const { directory, settings, keys } = start;
    const memory: FolderMemory = {
      stepped: () => port.stepped(),
      // What is removed beside is removed by the same state.
      letGo: () => void this.#removing.then(() => port.letGo()),
    };
    const passedOver = (problem: string): void => port.say({ kind: 'passed-over', problem });
    this.#folder = new Folder(
      diskWith(disk, keys, settings.storageCompression),
      directory,
      settings,
      memory,
      passedOver,
    );
    this.#folder.held = start.held;
    this.#port = port;
  }

  post(message: ToWorker): void {
    if (message.kind === 'load') {
      this.#pace.busy = message.busy;
      return;
    }
    if (message.kind === 'stored') {
      const storing = this.#storing.get(message.chunk);
      this.#storing.delete(message.chunk);
      if (message.place !== undefined) storing?.resolve(message.place);
      else storing?.reject(new MillraceError('TIER_UNAVAILABLE', 'The object store did not take a chunk.'));
      return;
    }
    if (message.kind === 'hold') {
      this.#folder.held = message.held;
      // Not in line: a round of sealing, which removes nothing, may take minutes.
      if (message.held) void this.#removal.then(() => this.#port.say({ kind: 'held' }));
      return;
    }
    this.#queue = this.#queue
      // After a failure the state may be that of half a file: what is still in line must not be folded into it.
      .then(() => (this.#failed ? undefined : this.#handle(message)))
      .then(() => this.#port.stepped())
      .catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#port.say({ kind: 'failed', message: asMillraceError(error).message });
    this.#port.close();
  }

  async #handle(message: Exclude<ToWorker, { kind: 'load' | 'hold' | 'stored' }>): Promise<void> {
    const folder = this.#folder;
    switch (message.kind) {
      case 'fold': {
        const { numbers: ranges } = await folder.fold(message.file, message.sizeBytes);
        this.#port.say({ kind: 'indexed', file: message.file, ranges });
        if (folder.due) await this.#checkpoint();
        return;
      }
      case 'seal':
        return await this.#seal(message);
      case 'checkpoint':
        return await this.#checkpoint();
      case 'finish':
        if (folder.hasNews) await this.#checkpoint();
        await this.#removing;
        if (!this.#failed) this.#port.close();
        return;
      default:
        message satisfies never;
    }
  }

  /** A round that fails costs nothing but time: its chunks are overwritten by those of the next one, or removed. */
  async #seal({ file, now, nextChunk, all, straight }: SealCall): Promise<void> {
    await this.#folder.folded(file);
    try {
      // So that the files can go as soon as the swap is in a checkpoint, too.
      if ((await this.#folder.sealDue(nextChunk)) && this.#folder.hasNews) await this.#checkpoint();
      // What the round needs is in no variable here, which would hold it.
      const round = await this.#round({ now, nextChunk, all, straight });
      // The broker takes memory for the swap.
      this.#port.letGo();
      this.#port.say({ kind: 'sealed', ...round });
    } catch (error) {
      const problem = `Sealing failed, and is tried again with the next journal file: ${asMillraceError(error).message}`;
      this.#port.say({ kind: 'sealed', ...NOTHING_SEALED, problems: [problem] });
    }
  }

  #round({ now, nextChunk, all, straight }: Omit<SealCall, 'file'>): Promise<SealedRound> {
    const toStore = straight ? this.#toStore : undefined;
    const wrote = (sizeBytes: number): void => {
      this.#port.say({ kind: 'progress', sizeBytes });
      this.#port.stepped();
    };
    const memory = this.#memoryFor(straight);
    return this.#folder.seal(nextChunk, { now, all, memory, pace: this.#pace, wrote, toStore });
  }

  /** In the minutes between two rounds nobody needs it; where the disk is short, one round follows the other. */
  #memoryFor(straight: boolean): ChunkMemory {
    const memory = this.#memory ?? new ChunkMemory();
    this.#memory = straight ? memory : undefined;
    return memory;
  }

  readonly #toStore: ToStore = (whole) => {
    const storing = Promise.withResolvers<TieredPlace>();
    this.#storing.set(whole.chunk, storing);
    this.#port.say({ kind: 'store', ...whole });
    return storing.promise;
  };

  async #checkpoint(): Promise<void> {
    const writing = this.#folder.checkpoint();
    this.#removal = Promise.allSettled([writing, this.#removing]);
    const file = await writing;
    this.#removing = this.#removeDead(this.#removing, file, this.#folder.removal())
      // By then nobody holds the state that it went by.
      .then(() => this.#port.stepped())
      .catch((error: unknown) => this.#fail(error));
    this.#removal = this.#removing;
  }

  /** @param file of the checkpoint that is there. */
  async #removeDead(before: Promise<void>, file: number, removal: () => Promise<Removed>): Promise<void> {
    await before;
    if (!this.#failed) this.#port.say({ kind: 'checkpointed', file, ...(await removal()) });
  }
}
