/** Splits a stream of bytes into lines, a block of them per piece that arrives, with bounded memory. */
import { MillraceError } from '../base/errors.ts';

/** A line of input is one record; the broker takes no larger ones by default either. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

const LINE_FEED = 0x0a;

export interface LineBlock {
  /** Without their line feeds. Views of the piece they came in. */
  readonly lines: readonly Buffer[];
  /** Number of the first line in its input, from 1. */
  readonly firstLine: number;
  /** Bytes of the input read so far. */
  readonly bytesRead: number;
}

/**
 * @param name of the input, for messages.
 * @throws MillraceError MODEL_RECORD_INVALID for a line longer than `maxLineBytes`.
 */
export async function* readLines(
  input: AsyncIterable<Buffer>,
  name: string,
  maxLineBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<LineBlock> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let lineCount = 0;
  let bytesRead = 0;
  for await (const piece of input) {
    bytesRead += piece.length;
    const lastFeed = piece.lastIndexOf(LINE_FEED);
    if (restBytes + (lastFeed < 0 ? piece.length : piece.indexOf(LINE_FEED)) > maxLineBytes) {
      throw tooLong(name, lineCount + 1, maxLineBytes);
    }
    if (lastFeed < 0) {
      rest.push(piece);
      restBytes += piece.length;
      continue;
    }
    const lines = split(Buffer.concat([...rest, piece.subarray(0, lastFeed)]));
    yield { lines, firstLine: lineCount + 1, bytesRead };
    lineCount += lines.length;
    rest = [piece.subarray(lastFeed + 1)];
    restBytes = piece.length - lastFeed - 1;
  }
  // The last line may lack its line feed.
  if (restBytes > 0) yield { lines: [Buffer.concat(rest)], firstLine: lineCount + 1, bytesRead };
}

function split(block: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = block.indexOf(LINE_FEED); end >= 0; end = block.indexOf(LINE_FEED, start)) {
    lines.push(block.subarray(start, end));
    start = end + 1;
  }
  lines.push(block.subarray(start));
  return lines;
}

function tooLong(name: string, line: number, maxLineBytes: number): MillraceError {
  return new MillraceError(
    'MODEL_RECORD_INVALID',
    `Line ${line} of ${name} is longer than ${maxLineBytes} bytes. Split it, or send the whole file as one record with --whole.`,
    { details: { input: name, line } },
  );
}
