/**
 * One run, within one process: connect, warm up, measure, stop. The phases are told to the caller, who samples the
 * broker's CPU exactly over the measured window.
 */
import { MillraceError } from '../../base/errors.ts';
import { AdminClient } from './admin.ts';
import { FetchConnection, type FetchShape } from './fetch-connection.ts';
import type { Target } from './frames.ts';
import { Meter, type MeterState } from './meter.ts';
import { type BenchPlan, topicNames } from './plan.ts';
import { ProduceLoad, share } from './produce-load.ts';

export type Phase = 'warming-up' | 'measuring' | 'draining';

export interface ScenarioResult {
  readonly seconds: number;
  readonly produced: MeterState | undefined;
  readonly consumed: MeterState | undefined;
  /** Open loop: requests dropped because too many waited already. */
  readonly droppedRequests: number;
  /** Of this process over the window, in seconds. */
  readonly cpuSeconds: number;
}

export interface ScenarioEvents {
  readonly onPhase: (phase: Phase) => void;
  /** Records and bytes of the window so far, a few times a second. */
  readonly onProgress: (records: number, bytes: number) => void;
}

const TICK_MS = 100;
/** Answers still in flight at the end get this long; they are outside the window anyway. */
const DRAIN_MS = 5000;

/** @throws MillraceError of the first failing connection, or CLIENT_TIMED_OUT without progress for `plan.timeout`. */
export async function runScenario(plan: BenchPlan, events: ScenarioEvents): Promise<ScenarioResult> {
  return await new Scenario(plan, events).run();
}

class Scenario {
  readonly #plan: BenchPlan;
  readonly #events: ScenarioEvents;
  readonly #targets: readonly Target[];
  readonly #produced = new Meter();
  readonly #consumed = new Meter();
  readonly #failed = Promise.withResolvers<never>();
  #producer: ProduceLoad | undefined;
  #consumers: FetchConnection[] = [];
  /** Fan-out: records the producer has sent so far, and whether the window holds it back. */
  #sentRecords = 0;
  #held = false;

  constructor(plan: BenchPlan, events: ScenarioEvents) {
    this.#plan = plan;
    this.#events = events;
    this.#targets = topicNames(plan).flatMap((topic) =>
      Array.from({ length: plan.partitions }, (_, partition) => ({ topic, partition })),
    );
    this.#failed.promise.catch(() => undefined);
  }

  async run(): Promise<ScenarioResult> {
    try {
      return await Promise.race([this.#phases(), this.#failed.promise]);
    } finally {
      this.#producer?.close();
      for (const consumer of this.#consumers) consumer.close();
    }
  }

  async #phases(): Promise<ScenarioResult> {
    await this.#withDeadline('The broker did not answer the setup requests', this.#setUp());
    this.#events.onPhase('warming-up');
    for (const consumer of this.#consumers) consumer.start();
    this.#producer?.start();
    await this.#until(performance.now() + this.#plan.warmup * 1000, () => false);
    const meters = [this.#produced, this.#consumed];
    for (const meter of meters) meter.open();
    this.#events.onPhase('measuring');
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    await this.#measure(startedAt);
    const cpu = process.cpuUsage(cpuBefore);
    for (const meter of meters) meter.close();
    const seconds = (performance.now() - startedAt) / 1000;
    this.#events.onPhase('draining');
    await this.#drain();
    return {
      seconds,
      produced: this.#producer === undefined ? undefined : this.#produced.toState(),
      consumed: this.#consumers.length === 0 ? undefined : this.#consumed.toState(),
      droppedRequests: this.#producer?.dropped ?? 0,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
    };
  }

  async #setUp(): Promise<void> {
    const { mode } = this.#plan;
    if (mode !== 'consume') this.#producer = this.#makeProducer();
    if (mode !== 'produce') await this.#connectConsumers();
    await this.#producer?.connect();
  }

  #makeProducer(): ProduceLoad {
    const plan = this.#plan;
    const shape = {
      acks: plan.acks,
      inFlight: plan.inFlight,
      recordsPerBatch: plan.batch,
      valueBytes: plan.size,
      stamped: plan.mode === 'end-to-end',
    };
    const { broker: address, connections, rate: recordsPerSecond } = plan;
    const hooks = { maySend: plan.mode === 'fan-out' ? () => this.#withinWindow() : () => true, onFailure: this.#fail };
    return new ProduceLoad({
      address,
      targets: this.#targets,
      connections,
      shape,
      recordsPerSecond,
      meter: this.#produced,
      hooks,
    });
  }

  /** Consumers of `fan-out` and `end-to-end` read every partition; those of `consume` share them out. */
  async #connectConsumers(): Promise<void> {
    const plan = this.#plan;
    const tail = plan.mode !== 'consume' || plan.tail;
    const offsets = await this.#startOffsets(tail);
    const shape: FetchShape = {
      maxBytes: plan.fetchBytes,
      maxWaitMs: tail ? 500 : 0,
      atEnd: tail ? 'wait' : 'again',
      stampedValueBytes: plan.mode === 'end-to-end' ? plan.size : undefined,
    };
    const count = plan.mode === 'consume' ? plan.connections : plan.consumers;
    const hooks = { onRecords: () => this.#consumerProgress(), onFailure: this.#fail };
    this.#consumers = Array.from({ length: count }, (_, i) => {
      const targets = plan.mode === 'consume' ? share(this.#targets, count, i) : this.#targets;
      const starts = targets.map((target) => offsets.get(target) as number);
      return new FetchConnection(targets, starts, shape, this.#consumed, hooks);
    });
    await Promise.all(this.#consumers.map((consumer) => consumer.connect(plan.broker)));
  }

  async #startOffsets(tail: boolean): Promise<Map<Target, number>> {
    const admin = await AdminClient.connect(this.#plan.broker);
    try {
      const ends = await admin.offsets(this.#targets, -1);
      const starts = tail ? ends : await admin.offsets(this.#targets, -2);
      const empty = this.#targets.find((_, i) => !tail && starts[i] === ends[i]);
      if (empty !== undefined) {
        throw new MillraceError(
          'CONFIG_INVALID',
          `${empty.topic}, partition ${empty.partition}, is empty: fill it with \`millrace bench produce\` first, or wait for records with --tail.`,
        );
      }
      return new Map(this.#targets.map((target, i) => [target, starts[i] as number]));
    } finally {
      admin.close();
    }
  }

  #fail = (error: Error): void => this.#failed.reject(error);

  #withinWindow(): boolean {
    const slowest = this.#consumers.reduce(
      (min, consumer) => Math.min(min, consumer.received),
      Number.POSITIVE_INFINITY,
    );
    const windowRecords = Math.max(this.#plan.batch, this.#plan.window / this.#plan.size);
    this.#held = this.#sentRecords - slowest >= windowRecords;
    if (!this.#held) this.#sentRecords += this.#plan.batch;
    return !this.#held;
  }

  #consumerProgress(): void {
    if (this.#held) this.#producer?.pump();
  }

  async #measure(startedAt: number): Promise<void> {
    const { length, mode } = this.#plan;
    const counted = mode === 'produce' ? this.#produced : this.#consumed;
    if ('seconds' in length) await this.#until(startedAt + length.seconds * 1000, () => false);
    else await this.#until(Number.POSITIVE_INFINITY, () => counted.records >= length.records);
  }

  /** Waits for the time or the condition; fails when nothing moves for too long. */
  async #until(time: number, done: () => boolean): Promise<void> {
    const { mode, timeout } = this.#plan;
    const counted = mode === 'produce' ? this.#produced : this.#consumed;
    let movedAt = performance.now();
    let before = counted.totalRecords;
    while (!done()) {
      const now = performance.now();
      if (now >= time) return;
      if (counted.totalRecords !== before) {
        before = counted.totalRecords;
        movedAt = now;
      } else if (now - movedAt > timeout * 1000) {
        throw timedOut(`No record was ${mode === 'produce' ? 'acknowledged' : 'received'}`, timeout);
      }
      await sleep(Math.min(TICK_MS, time - now));
      this.#events.onProgress(counted.records, counted.bytes);
    }
  }

  async #drain(): Promise<void> {
    this.#producer?.stop();
    for (const consumer of this.#consumers) consumer.stop();
    const deadline = performance.now() + DRAIN_MS;
    while (performance.now() < deadline && this.#producer?.idle === false) await sleep(10);
  }

  async #withDeadline<T>(what: string, work: Promise<T>): Promise<T> {
    const { timeout } = this.#plan;
    const timer = setTimeout(() => this.#fail(timedOut(what, timeout)), timeout * 1000);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }
}

function timedOut(what: string, seconds: number): MillraceError {
  return new MillraceError(
    'CLIENT_TIMED_OUT',
    `${what} for ${seconds} s. Is the broker stuck, or the wait too short (--timeout)?`,
  );
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
