/**
 * Server-Sent Events as text (WHATWG HTML, 9.2.6). A payload is cut at every line break that a reader knows (CR, LF, CRLF),
 * so that nothing in it can end the event or begin another one; a reader joins the lines with LF.
 *
 * Example: `sseEvent({ event: 'data', data: 'a\nb' })` is `event: data\ndata:a\ndata:b\n\n`.
 */

export interface SseEvent {
  /** No line breaks: a name of ours. Left out: `message`. */
  readonly event?: string | undefined;
  /** What the reader sends back as `Last-Event-ID`; no line breaks. */
  readonly id?: string | undefined;
  readonly data: string;
}

const LINE_BREAK = /\r\n|\r|\n/;

export function sseEvent({ event, id, data }: SseEvent): string {
  const head = event === undefined ? '' : `event: ${event}\n`;
  const idLine = id === undefined ? '' : `id: ${id}\n`;
  return `${head}${idLine}${dataLines(data)}\n`;
}

function dataLines(data: string): string {
  // Most payloads are one line; looking costs less than splitting for nothing.
  if (!data.includes('\n') && !data.includes('\r')) return dataLine(data);
  return data.split(LINE_BREAK).map(dataLine).join('');
}

/** A reader drops one space behind the colon, so one is added only where the line begins with its own. */
function dataLine(line: string): string {
  return line.startsWith(' ') ? `data: ${line}\n` : `data:${line}\n`;
}
