/** Heads of requests as node's parser gives them, without a socket. */
import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** What node's parser calls; it makes `headers` of `rawHeaders`. */
interface Parsed {
  _addHeaderLines(lines: string[], count: number): void;
}

/** @param lines `Name: value` each. */
export function requestHead(lines: readonly string[], url: string, httpVersion = '1.1'): IncomingMessage {
  const request = new IncomingMessage(undefined as unknown as Socket);
  const rawHeaders = lines.flatMap((line) => {
    const at = line.indexOf(':');
    return [line.slice(0, at), line.slice(at + 1).trim()];
  });
  (request as IncomingMessage & Parsed)._addHeaderLines(rawHeaders, rawHeaders.length);
  return Object.assign(request, { url, httpVersion });
}
