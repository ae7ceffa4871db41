/** One connection to a broker's Kafka address, for commands that need what HTTP does not have: one request at a time. */
import { MillraceError } from '../../base/errors.ts';
import type { Api } from '../../wire/api.ts';
import { decodeResponse, encodeRequest } from '../../wire/codec.ts';
import type { Decoded, Encodable } from '../../wire/schema.ts';
import { FrameSplitter } from '../bench/frame-splitter.ts';
import { type Address, connectRaw, type RawSocket } from '../bench/raw-socket.ts';

const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const CLIENT_ID = 'millrace-cli';

interface Waiting {
  readonly resolve: (frame: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class KafkaConnection {
  readonly #timeoutMs: number;
  #socket: RawSocket | undefined;
  #waiting: Waiting | undefined;
  #correlationId = 0;

  private constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** @throws MillraceError CLIENT_NETWORK when nothing listens there. */
  static async connect(address: Address, timeoutMs = 30_000): Promise<KafkaConnection> {
    const connection = new KafkaConnection(timeoutMs);
    const splitter = new FrameSplitter(MAX_FRAME_BYTES, (bytes, start, end) => {
      connection.#waiting?.resolve(Buffer.from(bytes.subarray(start, end)));
    });
    connection.#socket = await connectRaw(address, {
      onBytes: (bytes, end) => splitter.push(bytes, end),
      onFailure: (error) => connection.#waiting?.reject(error),
    });
    return connection;
  }

  /**
   * @throws MillraceError CLIENT_NETWORK, CLIENT_TIMED_OUT: whether the request was carried out is unknown then, and the
   *   connection is of no use any more.
   */
  async request<A extends Api>(
    api: A,
    version: number,
    body: Encodable<A['request']['fields']>,
  ): Promise<Decoded<A['response']['fields']>> {
    const correlationId = ++this.#correlationId;
    const frame = encodeRequest(api, version, { correlationId, clientId: CLIENT_ID }, body);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting = { resolve, reject };
    const timer = setTimeout(() => reject(timedOut(api.name, this.#timeoutMs)), this.#timeoutMs);
    if (this.#socket === undefined || this.#socket.socket.destroyed) reject(lost());
    else this.#socket.socket.write(frame);
    try {
      return decodeResponse(api, version, await promise).body;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket?.close();
  }
}

function timedOut(api: string, timeoutMs: number): MillraceError {
  return new MillraceError('CLIENT_TIMED_OUT', `The broker did not answer ${api} within ${timeoutMs / 1000} s.`);
}

function lost(): MillraceError {
  return new MillraceError('CLIENT_NETWORK', 'The connection to the broker is closed.');
}
