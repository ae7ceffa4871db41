/** A keep-alive connection to a broker on which a test says what it likes, byte by byte. */
import { once } from 'node:events';
import net from 'node:net';
import { type HttpKit, until } from './http-kit.ts';

export interface TalkAnswer {
  readonly status: number;
  /** Header lines, sorted; of those that differ from answer to answer, the name. */
  readonly headers: readonly string[];
  /** JSON; empty where there is no body. */
  readonly body: Record<string, unknown>;
}

const OF_ONE_ANSWER = /^(?:date|content-length|millrace-request-id):/i;

export class HttpTalk implements Disposable {
  readonly socket: net.Socket;
  #received = Buffer.alloc(0);

  static async open(kit: HttpKit): Promise<HttpTalk> {
    const socket = net.connect(kit.port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    return new HttpTalk(socket);
  }

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (piece: Buffer) => (this.#received = Buffer.concat([this.#received, piece])));
    socket.on('error', () => {});
  }

  async ask(request: string | Uint8Array): Promise<TalkAnswer> {
    this.socket.write(request);
    return await this.next();
  }

  async next(): Promise<TalkAnswer> {
    await until(() => this.#end() !== undefined);
    const { headEnd, end } = this.#end() as { headEnd: number; end: number };
    const head = this.#received.toString('latin1', 0, headEnd);
    const body = this.#received.toString('utf8', headEnd + 4, end);
    this.#received = this.#received.subarray(end);
    const [line = '', ...lines] = head.split('\r\n');
    const headers = lines.map((each) => (OF_ONE_ANSWER.test(each) ? each.slice(0, each.indexOf(':')) : each));
    return {
      status: Number(line.split(' ')[1]),
      headers: headers.toSorted(),
      body: body === '' ? {} : (JSON.parse(body) as Record<string, unknown>),
    };
  }

  /** Of the first answer that is whole. */
  #end(): { readonly headEnd: number; readonly end: number } | undefined {
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    // Without a length there is no body: the broker sends no chunks where this is used.
    const length = /content-length: (\d+)/i.exec(this.#received.toString('latin1', 0, headEnd))?.[1] ?? '0';
    const end = headEnd + 4 + Number(length);
    return this.#received.length >= end ? { headEnd, end } : undefined;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
