/**
 * Reads Fetch v11 answers as they stream by, without putting a frame together: only headers are looked at, records are
 * skipped where they lie, so receiving costs little more than the socket read.
 *
 * Frame: size int32, correlationId int32, throttleMs int32, error int16, sessionId int32, topics int32, per topic: name,
 * partitions int32, per partition: index int32, error int16, highWatermark, lastStableOffset, logStartOffset int64,
 * aborted int32 x 16 bytes, preferredReplica int32, records int32 and that many bytes of batches; the last may be cut.
 *
 * ```
 * HEAD ─► NAME_LENGTH ─► NAME ─► PARTITION ─► ABORTED ─► RECORDS ⇄ BATCH
 *   ▲         ▲                      ▲───────────────────────┘ │
 *   └─────────┴────────────────────────── last of the topic ───┘
 * ```
 */
import { readInt64 } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import { BATCH_HEADER_BYTES } from './batch.ts';
import { failOnError } from './responses.ts';

export interface FetchEvents {
  /** Before the batches of a partition. */
  readonly onPartition: (topic: string, partition: number, highWatermark: number) => void;
  /** A batch begins. `bytes[at..]` holds its header and `lookAheadBytes` more; borrowed. `endOffset` is exclusive. */
  readonly onBatch: (baseOffset: number, endOffset: number, sizeBytes: number, bytes: Buffer, at: number) => void;
  /** Its last byte arrived. */
  readonly onBatchEnd: () => void;
  /** The answer's last byte arrived. */
  readonly onEnd: () => void;
}

type State = 'head' | 'name-length' | 'name' | 'partition' | 'aborted' | 'batch';

const HEAD_BYTES = 4 + 4 + 4 + 2 + 4 + 4;
const PARTITION_BYTES = 4 + 2 + 8 + 8 + 8 + 4;
/** Names have at most 249 bytes, batch headers 61; the rest is room for look-ahead. */
const SCRATCH_BYTES = 1024;

export class FetchParser {
  readonly #events: FetchEvents;
  readonly #lookAheadBytes: number;
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES);
  #scratched = 0;
  #state: State = 'head';
  #want = HEAD_BYTES;
  #skip = 0;
  #frameLeft = 0;
  #topicsLeft = 0;
  #partitionsLeft = 0;
  #recordsLeft = 0;
  #topic = '';
  /** Events that are due once `#skip` bytes went by. */
  #batchOpen = false;
  #answerOpen = false;

  /** @param lookAheadBytes bytes after each batch header that `onBatch` wants to see, at most 512. */
  constructor(lookAheadBytes: number, events: FetchEvents) {
    this.#lookAheadBytes = lookAheadBytes;
    this.#events = events;
  }

  /** @param chunk `chunk[0..end)` continues the stream; borrowed. */
  push(chunk: Buffer, end: number): void {
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#skip, end - at);
      this.#skip -= skipped;
      at += skipped;
      if (this.#skip > 0) return;
      this.#afterSkip();
      if (this.#scratched === 0 && end - at >= this.#want) {
        const from = at;
        at += this.#want;
        this.#step(chunk, from);
        continue;
      }
      const taken = Math.min(this.#want - this.#scratched, end - at);
      chunk.copy(this.#scratch, this.#scratched, at, at + taken);
      this.#scratched += taken;
      at += taken;
      if (this.#scratched < this.#want) return;
      this.#scratched = 0;
      this.#step(this.#scratch, 0);
    }
  }

  #afterSkip(): void {
    if (this.#batchOpen) {
      this.#batchOpen = false;
      this.#events.onBatchEnd();
    }
    if (this.#answerOpen && this.#state === 'head') {
      this.#answerOpen = false;
      this.#events.onEnd();
    }
  }

  /** Handles the `#want` bytes of the present state and chooses the next. */
  #step(bytes: Buffer, at: number): void {
    if (this.#state === 'head') this.#head(bytes, at);
    else this.#count(this.#want);
    switch (this.#state) {
      case 'head':
        this.#nextTopic();
        break;
      case 'name-length':
        this.#expect('name', bytes.readInt16BE(at) + 4);
        break;
      case 'name':
        this.#topic = bytes.toString('utf8', at, at + this.#want - 4);
        this.#partitionsLeft = bytes.readInt32BE(at + this.#want - 4);
        this.#nextPartition();
        break;
      case 'partition':
        this.#partition(bytes, at);
        break;
      case 'aborted':
        this.#recordsLeft = bytes.readInt32BE(at + 4);
        this.#nextBatch();
        break;
      case 'batch':
        this.#batch(bytes, at);
        break;
      default:
        this.#state satisfies never;
    }
  }

  #head(bytes: Buffer, at: number): void {
    this.#frameLeft = bytes.readInt32BE(at) + 4;
    if (this.#frameLeft < HEAD_BYTES) this.#malformed(`its size is ${this.#frameLeft - 4}`);
    this.#count(HEAD_BYTES);
    failOnError(bytes.readInt16BE(at + 12), 'Fetch', 'all topics', undefined);
    this.#topicsLeft = bytes.readInt32BE(at + 18);
  }

  #partition(bytes: Buffer, at: number): void {
    const partition = bytes.readInt32BE(at);
    failOnError(bytes.readInt16BE(at + 4), 'Fetch', this.#topic, partition);
    this.#events.onPartition(this.#topic, partition, readInt64(bytes, at + 6));
    const abortedBytes = Math.max(0, bytes.readInt32BE(at + 30)) * 16;
    this.#count(abortedBytes);
    this.#skip = abortedBytes;
    this.#expect('aborted', 8);
  }

  #batch(bytes: Buffer, at: number): void {
    const sizeBytes = bytes.readInt32BE(at + 8) + 12;
    if (sizeBytes < BATCH_HEADER_BYTES) this.#malformed(`a batch has ${sizeBytes} bytes`);
    const seen = this.#want;
    if (sizeBytes <= this.#recordsLeft) {
      const baseOffset = readInt64(bytes, at);
      this.#events.onBatch(baseOffset, baseOffset + bytes.readInt32BE(at + 23) + 1, sizeBytes, bytes, at);
      this.#batchOpen = true;
    }
    const rest = Math.min(sizeBytes, this.#recordsLeft) - seen;
    if (rest < 0) this.#malformed(`a batch of ${sizeBytes} bytes is smaller than the ${seen} looked at`);
    this.#recordsLeft -= seen + rest;
    this.#count(rest);
    this.#skip = rest;
    this.#nextBatch();
  }

  #nextBatch(): void {
    const header = BATCH_HEADER_BYTES + this.#lookAheadBytes;
    if (this.#recordsLeft >= header) {
      this.#expect('batch', header);
      return;
    }
    // What is left is a cut batch: a fetch limit may fall inside one, and the next fetch brings it whole.
    const rest = Math.max(0, this.#recordsLeft);
    this.#count(rest);
    this.#skip += rest;
    this.#recordsLeft = 0;
    this.#nextPartition();
  }

  #nextPartition(): void {
    if (this.#partitionsLeft-- > 0) this.#expect('partition', PARTITION_BYTES);
    else this.#nextTopic();
  }

  #nextTopic(): void {
    if (this.#topicsLeft-- > 0) {
      this.#expect('name-length', 2);
      return;
    }
    if (this.#frameLeft !== 0) this.#malformed(`${this.#frameLeft} bytes follow the last topic`);
    this.#expect('head', HEAD_BYTES);
    this.#answerOpen = true;
  }

  #expect(state: State, want: number): void {
    if (want > SCRATCH_BYTES || want < 2) this.#malformed(`a field has ${want} bytes`);
    this.#state = state;
    this.#want = want;
  }

  #count(size: number): void {
    this.#frameLeft -= size;
    if (this.#frameLeft < 0) this.#malformed('its parts are longer than its size');
  }

  #malformed(why: string): never {
    throw new MillraceError('WIRE_MALFORMED', `A Fetch answer cannot be read: ${why}.`, {
      details: { state: this.#state, topic: this.#topic },
    });
  }
}
