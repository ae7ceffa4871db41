/**
 * Connections for node's HTTP client that read into memory which is used again. By itself node reads into a fresh piece of at most 64 KiB
 * each time, of which its parser makes a copy for the body: twice the garbage outside of V8's heap, in four times as many pieces.
 */
import http, { type ClientRequestArgs, type IncomingMessage } from 'node:http';
import https, { type RequestOptions } from 'node:https';
import net, { type OnReadOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { asBuffer } from '../../base/bytes.ts';

/** Of one connection. */
const READ_BYTES = 256 * 1024;

/** By connection: the answer that was last read from it. */
const answers = new WeakMap<Duplex, IncomingMessage>();

/** To be told in the `response` event: what nobody has asked for yet may lie in the memory that was read into, and stays. */
export function readsAnswer(message: IncomingMessage): void {
  answers.set(message.socket, message);
}

export class ReadingAgent extends http.Agent {
  override createConnection(options: ClientRequestArgs): Duplex {
    return reading((onread) => net.connect({ ...(options as net.NetConnectOpts), onread }));
  }
}

export class SecureReadingAgent extends https.Agent {
  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    return reading((onread) => super.createConnection({ ...options, onread } as RequestOptions, callback) as Socket);
  }
}

function reading(connect: (onread: OnReadOpts) => Socket): Socket {
  let into = Buffer.allocUnsafeSlow(READ_BYTES);
  const nextBuffer = (): Uint8Array => into;
  const callback = (count: number, bytes: Uint8Array): boolean => {
    // As node does it where it reads into memory of its own.
    socket.emit('data', asBuffer(bytes).subarray(0, count));
    if ((answers.get(socket)?.readableLength ?? 0) > 0) into = Buffer.allocUnsafeSlow(READ_BYTES);
    return true;
  };
  const socket = connect({ buffer: nextBuffer, callback });
  return socket;
}
