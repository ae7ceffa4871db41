/** All producing connections of a generator: who writes to which partition, and when. */
import { encodeBatch } from './batch.ts';
import type { Target } from './frames.ts';
import type { Meter } from './meter.ts';
import { ProduceConnection, type ProduceHooks, type ProduceShape } from './produce-connection.ts';
import { buildCycle } from './produce-cycle.ts';
import type { Address } from './raw-socket.ts';

export interface ProduceLoadOptions {
  readonly address: Address;
  readonly targets: readonly Target[];
  readonly connections: number;
  readonly shape: ProduceShape;
  /** Records a second over all connections; undefined = as fast as answers come. */
  readonly recordsPerSecond: number | undefined;
  readonly meter: Meter;
  readonly hooks: ProduceHooks;
}

export class ProduceLoad {
  readonly #connections: ProduceConnection[];
  readonly #options: ProduceLoadOptions;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #offered = 0;

  constructor(options: ProduceLoadOptions) {
    const { shape, targets, meter, hooks, connections } = options;
    this.#options = options;
    const batch = encodeBatch(shape.recordsPerBatch, shape.valueBytes, Date.now());
    this.#connections = Array.from({ length: connections }, (_, i) => {
      // A stamped frame is changed when it is sent again, so each slot of the window needs a frame of its own.
      const own = shape.stamped
        ? repeat(share(targets, connections, i), shape.inFlight)
        : share(targets, connections, i);
      const cycle = buildCycle(own, shape.acks, batch, shape.inFlight);
      return new ProduceConnection(cycle, shape, meter, hooks, options.recordsPerSecond !== undefined);
    });
  }

  get dropped(): number {
    return this.#connections.reduce((sum, connection) => sum + connection.dropped, 0);
  }

  get idle(): boolean {
    return this.#connections.every((connection) => connection.idle);
  }

  async connect(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.connect(this.#options.address)));
  }

  start(): void {
    this.#startedAt = performance.now();
    if (this.#options.recordsPerSecond === undefined) this.pump();
    else this.#timer = setInterval(() => this.#tick(this.#options.recordsPerSecond as number), 1);
  }

  pump(): void {
    for (const connection of this.#connections) connection.pump();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.stop();
  }

  close(): void {
    this.stop();
    for (const connection of this.#connections) connection.close();
  }

  /** Offers what became due since the last tick, to one connection after the other. */
  #tick(recordsPerSecond: number): void {
    const now = performance.now();
    const due = Math.floor(((now - this.#startedAt) * recordsPerSecond) / 1000 / this.#options.shape.recordsPerBatch);
    for (; this.#offered < due; this.#offered++) {
      (this.#connections[this.#offered % this.#connections.length] as ProduceConnection).offer(now);
    }
    this.pump();
  }
}

/**
 * Partitions of connection `index`: with more partitions than connections each gets every nth; with fewer they are
 * shared.
 */
export function share(targets: readonly Target[], connections: number, index: number): Target[] {
  if (targets.length < connections) return [targets[index % targets.length] as Target];
  return targets.filter((_, at) => at % connections === index);
}

function repeat<T>(items: readonly T[], atLeast: number): T[] {
  return Array.from({ length: Math.ceil(atLeast / items.length) }, () => items).flat();
}
