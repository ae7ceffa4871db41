/**
 * One producing connection: keeps a window of requests in flight, checks each answer, measures each delay.
 *
 * Closed loop: whenever an answer comes the next request leaves. Open loop (`offer`): requests leave when they are due;
 * one that finds the window full waits, and its delay counts from when it was due, so a stalled broker is not flattered
 * by requests that were never sent (coordinated omission).
 */
import { MillraceError } from '../../base/errors.ts';
import { stampBatch } from './batch.ts';
import { FrameSplitter } from './frame-splitter.ts';
import type { Meter } from './meter.ts';
import type { ProduceCycle } from './produce-cycle.ts';
import { type Address, connectRaw, type RawSocket } from './raw-socket.ts';
import { checkProduceResponse } from './responses.ts';

/** A Produce answer for one partition: names are at most 249 bytes; errors may carry a message. */
const MAX_RESPONSE_BYTES = 64 * 1024;
/** Requests that may be due and unsent in open loop; beyond, the offer is dropped and counted. */
const MAX_BACKLOG = 16 * 1024;

export interface ProduceShape {
  readonly acks: number;
  readonly inFlight: number;
  readonly recordsPerBatch: number;
  readonly valueBytes: number;
  /** Write the send time into each batch (end to end); the frame of a slot is then changed before each send. */
  readonly stamped: boolean;
}

export interface ProduceHooks {
  /** Asked before each closed-loop request; false holds it until `pump` is called again. */
  readonly maySend: () => boolean;
  readonly onFailure: (error: Error) => void;
}

export class ProduceConnection {
  readonly #cycle: ProduceCycle;
  readonly #shape: ProduceShape;
  readonly #meter: Meter;
  readonly #hooks: ProduceHooks;
  readonly #splitter: FrameSplitter;
  /** Send times of requests in flight, a ring as long as the window. */
  readonly #sentAt: Float64Array;
  readonly #dueAt = new Float64Array(MAX_BACKLOG);
  readonly #openLoop: boolean;
  #connection: RawSocket | undefined;
  /** Counts since the start; the difference is the number in flight, the remainder the place in the ring. */
  #sent = 0;
  #answered = 0;
  #due = 0;
  #dueTaken = 0;
  #dropped = 0;
  #now = 0;
  #stopped = false;

  constructor(cycle: ProduceCycle, shape: ProduceShape, meter: Meter, hooks: ProduceHooks, openLoop: boolean) {
    this.#cycle = cycle;
    this.#shape = shape;
    this.#meter = meter;
    this.#hooks = hooks;
    this.#openLoop = openLoop;
    this.#sentAt = new Float64Array(shape.inFlight);
    this.#splitter = new FrameSplitter(MAX_RESPONSE_BYTES, (bytes, start, end) => this.#answer(bytes, start, end));
  }

  /** Requests that were due while MAX_BACKLOG others waited. */
  get dropped(): number {
    return this.#dropped;
  }

  async connect(address: Address): Promise<void> {
    this.#connection = await connectRaw(address, {
      onBytes: (bytes, end) => {
        this.#now = performance.now();
        this.#splitter.push(bytes, end);
        this.pump();
      },
      onFailure: this.#hooks.onFailure,
    });
    if (this.#shape.acks === 0) this.#connection.socket.on('drain', () => this.pump());
  }

  /** Sends nothing more; answers still count. */
  stop(): void {
    this.#stopped = true;
  }

  get idle(): boolean {
    const unsentBytes = this.#connection?.socket.writableLength ?? 0;
    return this.#shape.acks === 0 ? unsentBytes === 0 : this.#sent === this.#answered;
  }

  close(): void {
    this.#connection?.close();
  }

  /** Open loop: one request is due now. */
  offer(now: number): void {
    if (this.#due - this.#dueTaken === MAX_BACKLOG) this.#dropped += 1;
    else this.#dueAt[this.#due++ % MAX_BACKLOG] = now;
  }

  /** Sends what the window, the offer and the hooks allow, in as few writes as the cycle's layout permits. */
  pump(): void {
    if (this.#stopped || this.#connection === undefined) return;
    if (this.#shape.acks === 0) this.#pumpUnanswered(this.#connection);
    else this.#pumpWindow(this.#connection);
  }

  #pumpWindow({ socket }: RawSocket): void {
    let room = this.#shape.inFlight - (this.#sent - this.#answered);
    if (this.#openLoop) room = Math.min(room, this.#due - this.#dueTaken);
    const frames = this.#cycle.batchStarts.length;
    while (room > 0 && this.#hooks.maySend()) {
      const first = this.#sent % frames;
      const count = this.#shape.stamped ? 1 : Math.min(room, frames - first);
      for (let i = 0; i < count; i++) this.#markSent();
      if (this.#shape.stamped) this.#stamp(first);
      socket.write(this.#cycle.bytes.subarray(this.#cycle.starts[first], this.#cycle.starts[first + count]));
      room -= count;
    }
  }

  #markSent(): void {
    const at = this.#openLoop ? (this.#dueAt[this.#dueTaken++ % MAX_BACKLOG] as number) : performance.now();
    this.#sentAt[this.#sent++ % this.#shape.inFlight] = at;
  }

  #stamp(frame: number): void {
    const { bytes, batchStarts, batchBytes } = this.#cycle;
    const start = batchStarts[frame] as number;
    const sentAt = this.#sentAt[(this.#sent - 1) % this.#shape.inFlight] as number;
    stampBatch(bytes, start, start + batchBytes, this.#shape.valueBytes, sentAt);
  }

  /** acks=0 has no answers: the socket's own backpressure is the window, and a request counts when handed over. */
  #pumpUnanswered({ socket }: RawSocket): void {
    const { starts, batchBytes } = this.#cycle;
    const frames = starts.length - 1;
    while (socket.writableLength < socket.writableHighWaterMark) {
      if (this.#openLoop && this.#due === this.#dueTaken) return;
      const first = this.#sent % frames;
      const count = this.#openLoop ? 1 : Math.min(this.#shape.inFlight, frames - first);
      if (this.#openLoop) this.#dueTaken += 1;
      this.#sent += count;
      socket.write(this.#cycle.bytes.subarray(starts[first], starts[first + count]));
      this.#meter.add(count, count * this.#shape.recordsPerBatch, count * batchBytes);
    }
    // 'drain' follows once the kernel took it; it comes only after a write that was refused, which this loop ends with.
  }

  #answer(bytes: Buffer, start: number, end: number): void {
    const correlationId = checkProduceResponse(bytes, start, end);
    const expected = this.#answered % this.#cycle.batchStarts.length;
    if (correlationId !== expected || this.#answered === this.#sent) {
      throw new MillraceError(
        'WIRE_MALFORMED',
        `Produce answer ${correlationId} came where ${expected} was due: answers are out of order.`,
        {
          details: { correlationId, expected, inFlight: this.#sent - this.#answered },
        },
      );
    }
    this.#meter.recordLatency(this.#now - (this.#sentAt[this.#answered % this.#shape.inFlight] as number));
    this.#answered += 1;
    this.#meter.add(1, this.#shape.recordsPerBatch, this.#cycle.batchBytes);
  }
}
