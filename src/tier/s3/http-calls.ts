/**
 * HTTP requests to an object store over kept connections, through node's own client: for bodies of many MiB it takes a third of the
 * processor time of `fetch`, whose streams hand on every piece through promises.
 */
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { copyShared, lengthOf } from '../../base/bytes.ts';
import { minorCollections } from '../../base/minor-collections.ts';
import { ReadingAgent, readsAnswer, SecureReadingAgent } from './reading-agents.ts';

/** Of an answer that is read as text: a list of a thousand keys is a megabyte. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** Of a body whose length is known before it comes: it has its memory then. */
const MAX_AT_ONCE_BYTES = 64 * 1024 * 1024;

/** Idle connections are closed before servers do it: a request on one that is being closed has no answer. */
const IDLE_MS = 4_000;

export interface HttpCall {
  readonly method: 'PUT' | 'GET' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** In pieces. */
  readonly body?: readonly Uint8Array[] | undefined;
  /** For the whole of it, the answer's body included. */
  readonly timeoutMs: number;
}

export class HttpCalls {
  readonly #plain = new ReadingAgent({ keepAlive: true, timeout: IDLE_MS });
  readonly #secure = new SecureReadingAgent({ keepAlive: true, timeout: IDLE_MS });

  /**
   * Redirects are answers like others.
   *
   * @throws what the system says where no answer came.
   */
  async call({ method, url, headers, body, timeoutMs }: HttpCall): Promise<HttpAnswer> {
    const isSecure = url.protocol === 'https:';
    const request = (isSecure ? https : http).request(url, {
      method,
      agent: isSecure ? this.#secure : this.#plain,
      headers: body === undefined ? headers : { ...headers, 'content-length': lengthOf(body) },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const answer = answerTo(request);
    for (const piece of body ?? []) request.write(piece);
    request.end();
    return new HttpAnswer(await answer, request);
  }
}

async function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    request.on('response', (message: IncomingMessage) => {
      readsAnswer(message);
      resolve(message);
    });
    // Behind the answer's head the body's reader is told, and nobody listens here.
    request.on('error', reject);
    // Where a server changes the protocol unasked, node closes the connection, and gives neither an answer nor an error.
    request.on('close', () => reject(new Error('the connection was closed without an answer')));
  });
}

/**
 * Its body is read once, by one of the methods; each throws what broke it off. Once it is read, nothing of the request's body is sent any
 * more: a server may answer before it has all of it, and the memory is somebody else's then.
 */
export class HttpAnswer {
  readonly #message: IncomingMessage;
  readonly #request: ClientRequest;

  constructor(message: IncomingMessage, request: ClientRequest) {
    this.#message = message;
    this.#request = request;
    // Where it breaks off before anybody reads it, the reader is told then.
    message.on('error', () => undefined);
  }

  get status(): number {
    return this.#message.statusCode ?? 0;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  get headers(): IncomingHttpHeaders {
    return this.#message.headers;
  }

  /** Undefined: the server does not say. */
  get contentBytes(): number | undefined {
    const text = this.#message.headers['content-length'];
    return text === undefined ? undefined : Number(text);
  }

  async text(): Promise<string> {
    return (await this.bytes(MAX_TEXT_BYTES)).toString();
  }

  /**
   * @param skippedBytes that stand before.
   * @returns as many bytes as came behind them, which may be more than `into` has: what is too much is not read.
   */
  async readInto(into: Uint8Array, skippedBytes = 0): Promise<number> {
    let count = -skippedBytes;
    await this.#read((piece) => {
      const from = count;
      count += piece.length;
      if (count > 0)
        copyShared(piece.subarray(Math.max(0, -from), into.length - from), into.subarray(Math.max(0, from)));
      return count <= into.length;
    });
    return Math.max(0, count);
  }

  /** All of it, in memory of its own. */
  async bytes(maxBytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const { contentBytes } = this;
    if (contentBytes !== undefined && contentBytes <= Math.min(maxBytes, MAX_AT_ONCE_BYTES)) {
      const whole = Buffer.allocUnsafeSlow(contentBytes);
      return whole.subarray(0, await this.readInto(whole));
    }
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    await this.#read((piece) => {
      // It may lie in memory that is read into again.
      pieces.push(Buffer.from(piece));
      sizeBytes += piece.length;
      return sizeBytes <= maxBytes;
    });
    if (sizeBytes > maxBytes) throw new Error(`more than ${maxBytes} bytes of text came`);
    return Buffer.concat(pieces);
  }

  /** @param take is given piece by piece, borrowed for the call; false: nothing more is read. */
  async #read(take: (piece: Buffer) => boolean): Promise<void> {
    try {
      await this.#readPieces(take);
    } finally {
      if (!this.#request.writableFinished) this.#request.destroy();
    }
  }

  async #readPieces(take: (piece: Buffer) => boolean): Promise<void> {
    const message = this.#message;
    if (message.destroyed) throw message.errored ?? new Error('the connection was closed');
    await new Promise<void>((resolve, reject) => {
      const onData = (piece: Buffer): void => {
        const goesOn = take(piece);
        minorCollections.dropped(piece.length);
        if (goesOn) return;
        message.destroy();
        end(resolve);
      };
      // What was buffered may come still: whose memory it went to may be somebody else's by then.
      const end = (settle: () => void): void => {
        message.off('data', onData);
        settle();
      };
      message.on('data', onData);
      message.on('end', () => end(resolve));
      message.on('error', (error) => end(() => reject(error)));
      message.on('close', () => end(() => reject(new Error('the connection was closed'))));
    });
  }
}
