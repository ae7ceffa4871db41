/**
 * Accepted sockets have no `onread`: Node reads them into fresh buffers, which costs a third of the throughput
 * (docs/performance.md). So the accepted handle moves to a socket that has it.
 *
 * This leans on `_handle` and the `handle` option, which Node has kept since its first versions but does not document;
 * where they are missing (TLS, a stream that is no TCP socket) the caller gets false and reads by 'data' events.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { FrameReader } from '../../wire/frame-reader.ts';

export interface ReadHooks {
  /** `bytes[0..length)` arrived, at the place that the reader named. False stops reading until `resume`. */
  readonly received: (bytes: Buffer, length: number) => boolean;
  readonly reader: FrameReader;
}

interface WithHandle {
  _handle: unknown;
}

/** Moves the connection of `accepted`, which was accepted paused, to a new socket; undefined where that is not possible. */
export function adoptSocket(accepted: Socket, hooks: ReadHooks): Socket | undefined {
  const holder = accepted as unknown as WithHandle;
  const handle = holder._handle;
  if (handle === null || handle === undefined) return undefined;
  const onread = {
    buffer: (): Uint8Array => hooks.reader.place(),
    callback: (length: number, bytes: Uint8Array): boolean => hooks.received(bytes as Buffer, length),
  };
  // `manualStart`: no byte is read before the connection is ready for it.
  const options = { handle, onread, manualStart: true, allowHalfOpen: false } as unknown as SocketConstructorOpts;
  const socket = new Socket(options);
  // Without a handle the old socket closes nothing; it only signs off from its server.
  holder._handle = null;
  accepted.destroy();
  return socket;
}
