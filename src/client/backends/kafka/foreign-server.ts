/**
 * Finds out whether a server that takes connections speaks Kafka at all. The library takes the first bytes of anything for a length, and
 * waits half a minute for as much, four times over; or it says that the connection was closed.
 */
import net from 'node:net';
import type { Clock } from '../../../base/clock.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

/** Request, bytes: 0 length, 4 API 18 (ApiVersions), 6 version 0, 8 correlation id, 12 client id, null. Answered before anybody signs in. */
const REQUEST = Buffer.from('0000000a001200004d4c5243ffff', 'hex');
const CORRELATION_ID = REQUEST.subarray(8, 12);
/** Of the answer: its length and the correlation id. */
const HEAD_BYTES = 8;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of what somebody else answers, for the message. */
const MAX_SHOWN_CHARS = 60;

/**
 * @returns what was found where no server of them is a Kafka broker, though all take connections; undefined: one answers as a broker, or
 *   one cannot be reached, which others say better.
 */
export async function foreignServer(
  servers: readonly Server[],
  clock: Clock,
  timeoutMs: number,
): Promise<string | undefined> {
  const found = await Promise.all(servers.map((server) => ask(server, clock, timeoutMs)));
  return found.every((one) => one !== undefined) ? found.join('; ') : undefined;
}

async function ask({ host, port }: Server, clock: Clock, timeoutMs: number): Promise<string | undefined> {
  const socket = net.connect({ host, port });
  const where = `${host}:${port}`;
  let isConnected = false;
  let answer = Buffer.alloc(0);
  return await new Promise<string | undefined>((resolve) => {
    const end = (found: string | undefined): void => {
      timer.cancel();
      socket.destroy();
      resolve(found);
    };
    const timer = clock.schedule(timeoutMs, () =>
      end(isConnected ? `${where} takes connections and answers nothing in ${timeoutMs} ms` : undefined),
    );
    socket.once('connect', () => {
      isConnected = true;
      socket.write(REQUEST);
    });
    socket.on('data', (piece: Buffer) => {
      answer = Buffer.concat([answer, piece]);
      if (answer.length >= HEAD_BYTES) end(isKafka(answer) ? undefined : `${where} answers ${shown(answer)}`);
    });
    socket.once('error', () => end(undefined));
    // Brokers close, too, where they have too many connections.
    socket.once('close', () => end(answer.length > 0 ? `${where} answers ${shown(answer)}` : undefined));
  });
}

function isKafka(answer: Buffer): boolean {
  const sizeBytes = answer.readInt32BE(0);
  return sizeBytes >= 4 && sizeBytes <= MAX_ANSWER_BYTES && answer.subarray(4, HEAD_BYTES).equals(CORRELATION_ID);
}

/** The first line where it is text, as of HTTP, Redis and mail; hexadecimal digits elsewhere. */
function shown(answer: Buffer): string {
  const line =
    answer
      .toString('latin1')
      .split(/[\r\n]/)[0]
      ?.slice(0, MAX_SHOWN_CHARS) ?? '';
  return /^[\x20-\x7e]+$/.test(line) ? JSON.stringify(line) : `0x${answer.subarray(0, HEAD_BYTES).toString('hex')}`;
}
