/**
 * Where answers are encoded: one buffer for all connections, because answers are written to their socket in the same
 * call and most sockets take them at once. What a socket does not take at once keeps its memory, and the next answers
 * get a fresh buffer.
 */
import type { Socket } from 'node:net';
import { asBuffer } from '../../base/bytes.ts';
import type { SliceTarget } from '../../wire/fetch.ts';
import { Writer } from '../../wire/writer.ts';

const BUFFER_BYTES = 64 * 1024;
/** A buffer that one large answer has grown is not kept. */
const MAX_KEPT_BYTES = 1024 * 1024;

interface Cut {
  readonly position: number;
  readonly slice: Uint8Array;
}

export class Output implements SliceTarget {
  readonly writer = new Writer(BUFFER_BYTES);
  #cuts: Cut[] = [];
  #slicedBytes = 0;

  /** Bytes collected since the last `send`. */
  get sizeBytes(): number {
    return this.writer.position + this.#slicedBytes;
  }

  slice(bytes: Uint8Array): void {
    this.#cuts.push({ position: this.writer.position, slice: bytes });
    this.#slicedBytes += bytes.length;
  }

  /** Drops what was collected. */
  reset(): void {
    this.writer.reset();
    this.#cuts = [];
    this.#slicedBytes = 0;
  }

  /**
   * Writes what was collected, in one go, and starts anew.
   *
   * @param written called when the bytes have left or the socket has died: the slices may then be reused.
   */
  send(socket: Socket, written?: () => void): void {
    if (this.#cuts.length > 0) this.#sendPieces(socket, written);
    else this.#sendPlain(socket, written);
    if (this.writer.buffer.length > MAX_KEPT_BYTES) this.writer.detach(BUFFER_BYTES);
    this.reset();
  }

  #sendPlain(socket: Socket, written: (() => void) | undefined): void {
    const { writer } = this;
    // Behind other bytes these would wait in any case: a copy of their size pins less than the whole buffer.
    const queued = socket.writableLength > 0;
    socket.write(queued ? Buffer.from(writer.written()) : writer.written(), written);
    if (!queued && socket.writableLength > 0) writer.detach(BUFFER_BYTES);
  }

  #sendPieces(socket: Socket, written: (() => void) | undefined): void {
    const { writer } = this;
    const cuts = this.#cuts;
    socket.cork();
    let at = 0;
    for (const [index, { position, slice }] of cuts.entries()) {
      if (position > at) socket.write(writer.buffer.subarray(at, position));
      at = position;
      const isLast = index === cuts.length - 1 && writer.position === at;
      if (isLast) socket.write(asBuffer(slice), written);
      else socket.write(asBuffer(slice));
    }
    if (writer.position > at) socket.write(writer.buffer.subarray(at, writer.position), written);
    socket.uncork();
    if (socket.writableLength > 0) writer.detach(BUFFER_BYTES);
  }
}
