/**
 * One consuming connection: one Fetch at a time over its partitions, offsets moved in place, the answer parsed as it
 * streams. Checks that batches follow one another without a hole.
 */
import { writeInt64 } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import { BATCH_HEADER_BYTES, firstValuePosition } from './batch.ts';
import { FetchParser } from './fetch-parser.ts';
import { type FetchFrame, type FetchSettings, fetchFrame, type Target } from './frames.ts';
import type { Meter } from './meter.ts';
import { type Address, connectRaw, type RawSocket } from './raw-socket.ts';

export interface FetchShape extends FetchSettings {
  /** At the end of the log: begin again at the start offset, or wait for more. */
  readonly atEnd: 'again' | 'wait';
  /** Bytes of a value whose first eight are the send time; undefined = latency is that of the Fetch request. */
  readonly stampedValueBytes: number | undefined;
}

export interface FetchHooks {
  /** Records of a batch have arrived in full. */
  readonly onRecords: () => void;
  readonly onFailure: (error: Error) => void;
}

/** Where one partition is read. */
interface Cursor {
  readonly startOffset: number;
  nextOffset: number;
  /** End (exclusive) of what the broker last said is readable. */
  highWatermark: number;
}

export class FetchConnection {
  readonly #shape: FetchShape;
  readonly #meter: Meter;
  readonly #hooks: FetchHooks;
  readonly #frame: FetchFrame;
  readonly #cursors: readonly Cursor[];
  readonly #cursorOf = new Map<string, number>();
  readonly #parser: FetchParser;
  #connection: RawSocket | undefined;
  #cursor: Cursor | undefined;
  #askedAt = 0;
  #received = 0;
  /** The batch that is arriving. */
  #batchRecords = 0;
  #batchBytes = 0;
  #batchSentAt = 0;
  #stopped = false;
  #waiting = false;

  /** @param offsets first offset to read per target; also where `again` begins anew. */
  constructor(
    targets: readonly Target[],
    offsets: readonly number[],
    shape: FetchShape,
    meter: Meter,
    hooks: FetchHooks,
  ) {
    this.#shape = shape;
    this.#meter = meter;
    this.#hooks = hooks;
    this.#frame = fetchFrame(0, targets, shape);
    this.#cursors = offsets.map((offset) => ({ startOffset: offset, nextOffset: offset, highWatermark: Infinity }));
    for (const [i, target] of targets.entries()) this.#cursorOf.set(`${target.topic}/${target.partition}`, i);
    this.#parser = new FetchParser(lookAhead(shape), {
      onPartition: (topic, partition, highWatermark) => this.#partition(topic, partition, highWatermark),
      onBatch: (base, end, size, bytes, at) => this.#batch(base, end, size, bytes, at),
      onBatchEnd: () => this.#batchEnd(),
      onEnd: () => this.#end(),
    });
  }

  /** Records received since the start, warm-up included. */
  get received(): number {
    return this.#received;
  }

  get idle(): boolean {
    return !this.#waiting;
  }

  async connect(address: Address): Promise<void> {
    this.#connection = await connectRaw(address, {
      onBytes: (bytes, end) => this.#parser.push(bytes, end),
      onFailure: this.#hooks.onFailure,
    });
  }

  start(): void {
    this.#fetch();
  }

  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    this.#connection?.close();
  }

  #fetch(): void {
    const { bytes, offsetPositions } = this.#frame;
    for (const [i, position] of offsetPositions.entries()) {
      const cursor = this.#cursors[i] as Cursor;
      if (this.#shape.atEnd === 'again' && cursor.nextOffset >= cursor.highWatermark)
        cursor.nextOffset = cursor.startOffset;
      writeInt64(bytes, position, cursor.nextOffset);
    }
    this.#waiting = true;
    this.#askedAt = performance.now();
    this.#connection?.socket.write(bytes);
  }

  #partition(topic: string, partition: number, highWatermark: number): void {
    const index = this.#cursorOf.get(`${topic}/${partition}`);
    if (index === undefined) {
      throw new MillraceError(
        'WIRE_MALFORMED',
        `A Fetch answer holds ${topic}, partition ${partition}, which was not asked.`,
      );
    }
    this.#cursor = this.#cursors[index] as Cursor;
    this.#cursor.highWatermark = highWatermark;
  }

  #batch(baseOffset: number, endOffset: number, sizeBytes: number, bytes: Buffer, at: number): void {
    const cursor = this.#cursor as Cursor;
    if (!(baseOffset <= cursor.nextOffset)) {
      throw new MillraceError(
        'CLIENT_REFUSED',
        `Offset hole: ${cursor.nextOffset} was next and the broker sent ${baseOffset}. Do not use the topic of another program.`,
        { details: { expectedOffset: cursor.nextOffset, baseOffset } },
      );
    }
    this.#batchRecords = Math.max(0, endOffset - cursor.nextOffset);
    this.#batchBytes = sizeBytes;
    if (this.#shape.stampedValueBytes !== undefined) {
      this.#batchSentAt = bytes.readDoubleBE(at + firstValuePosition(this.#shape.stampedValueBytes));
    }
    cursor.nextOffset = Math.max(cursor.nextOffset, endOffset);
  }

  #batchEnd(): void {
    if (this.#shape.stampedValueBytes !== undefined) this.#meter.recordLatency(performance.now() - this.#batchSentAt);
    this.#received += this.#batchRecords;
    this.#meter.add(0, this.#batchRecords, this.#batchBytes);
    this.#hooks.onRecords();
  }

  #end(): void {
    this.#waiting = false;
    this.#meter.add(1, 0, 0);
    if (this.#shape.stampedValueBytes === undefined) this.#meter.recordLatency(performance.now() - this.#askedAt);
    if (!this.#stopped) this.#fetch();
  }
}

function lookAhead(shape: FetchShape): number {
  if (shape.stampedValueBytes === undefined) return 0;
  return firstValuePosition(shape.stampedValueBytes) + 8 - BATCH_HEADER_BYTES;
}
