/**
 * A client socket that reads into one large buffer shared by all sockets of the process: with Node's default reads the
 * generator, not the broker, would be the limit (1.5x less).
 */
import net from 'node:net';
import { MillraceError } from '../../base/errors.ts';

/** Stays in the second-level cache; larger ones gain nothing. */
const SLAB_BYTES = 256 * 1024;
const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface RawSocketEvents {
  /** `bytes[0..end)` arrived; borrowed until the call returns. What it throws fails the socket. */
  readonly onBytes: (bytes: Buffer, end: number) => void;
  /** Once, unless `close` came first. */
  readonly onFailure: (error: Error) => void;
}

/** An open socket and its one regular end. */
export interface RawSocket {
  readonly socket: net.Socket;
  /** Ends it without a failure. */
  close(): void;
}

/** @throws MillraceError CLIENT_NETWORK when nothing listens there. */
export function connectRaw(address: Address, events: RawSocketEvents): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    let failed = false;
    const close = (): void => {
      failed = true;
      socket.destroy();
    };
    const fail = (error: Error): void => {
      if (failed) return;
      failed = true;
      socket.destroy();
      reject(error);
      events.onFailure(error);
    };
    const socket = net.connect({
      ...address,
      noDelay: true,
      onread: {
        buffer: slab,
        callback: (end: number, bytes: Uint8Array): boolean => {
          try {
            if (!socket.destroyed) events.onBytes(bytes as Buffer, end);
          } catch (error) {
            fail(located(address, error));
          }
          return true;
        },
      },
    });
    socket.on('connect', () => resolve({ socket, close }));
    socket.on('error', (error) => fail(networkError(address, error)));
    socket.on('close', () => fail(networkError(address, undefined)));
  });
}

/** What the bytes of this address were refused with, and which address it is. */
function located({ host, port }: Address, error: unknown): Error {
  if (!(error instanceof MillraceError)) return error instanceof Error ? error : new Error(String(error));
  const where = `${host}:${port}`;
  return new MillraceError(error.code, `What ${where} sends is not understood. ${error.message}`, {
    details: { ...error.details, address: where },
    cause: error,
  });
}

function networkError(address: Address, cause: Error | undefined): MillraceError {
  const where = `${address.host}:${address.port}`;
  const message =
    cause === undefined
      ? `The broker at ${where} closed the connection during the run. Its log says why.`
      : `Connection to ${where} failed: ${cause.message}. Check that the broker runs and the address is right.`;
  return new MillraceError('CLIENT_NETWORK', message, { details: { address: where }, cause });
}
