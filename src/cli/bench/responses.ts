/**
 * Reads the few answers a generator gets, checked: an error code fails the run with its name, a short or foreign frame
 * with its place.
 */
import { MillraceError } from '../../base/errors.ts';
import { errorName } from '../../wire/error-codes.ts';

/** Walks a borrowed frame; every read is checked against its end. */
export class ResponseReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #what: string;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number, what: string) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#what = what;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#take(8)));
  }

  /** Null reads as the empty string. */
  string(): string {
    const length = this.int16();
    if (length < 0) return '';
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  skip(size: number): void {
    this.#take(size);
  }

  #take(size: number): number {
    const at = this.#at;
    if (size < 0 || at + size > this.#end) {
      throw new MillraceError('WIRE_TRUNCATED', `The ${this.#what} answer ends early: ${size} bytes wanted.`, {
        details: { api: this.#what, wantedBytes: size, leftBytes: this.#end - at },
      });
    }
    this.#at = at + size;
    return at;
  }
}

/** @throws MillraceError CLIENT_REFUSED naming the Kafka error, the request and the partition. */
export function failOnError(code: number, api: string, topic: string, partition: number | undefined, hint = ''): void {
  if (code !== 0) throw refusal(code, api, topic, partition, hint);
}

function refusal(code: number, api: string, topic: string, partition: number | undefined, hint: string): MillraceError {
  const name = errorName(code);
  const place = partition === undefined ? topic : `${topic}, partition ${partition}`;
  return new MillraceError(
    'CLIENT_REFUSED',
    `The broker answered ${api} for ${place} with ${name} (${code}). ${hint}`.trim(),
    {
      details: { api, topic, error: name, errorCode: code, ...(partition === undefined ? {} : { partition }) },
    },
  );
}

/**
 * Checks a Produce v7 answer for one partition.
 * @returns its correlation id.
 */
export function checkProduceResponse(bytes: Buffer, start: number, end: number): number {
  // correlationId 4, topics 4, name 2 + n, partitions 4, index 4, error 2, then offsets and times: read in place,
  // since this runs for every request.
  const nameBytes = end - start >= 10 ? bytes.readInt16BE(start + 8) : -1;
  const errorAt = start + 10 + nameBytes + 8;
  if (nameBytes < 0 || errorAt + 2 > end || bytes.readInt32BE(start + 4) !== 1) {
    throw new MillraceError('WIRE_MALFORMED', 'A Produce answer does not have one topic with one partition.', {
      details: { sizeBytes: end - start },
    });
  }
  const code = bytes.readInt16BE(errorAt);
  if (code !== 0) {
    const topic = bytes.toString('utf8', start + 10, start + 10 + nameBytes);
    failOnError(code, 'Produce', topic, bytes.readInt32BE(errorAt - 4));
  }
  return bytes.readInt32BE(start);
}
