/**
 * One Kafka API: its key, its versions and its two messages, each of which reads and writes every version in the range.
 */
import { MillraceError } from '../base/errors.ts';
import { compileReader, type Read } from './compile-reader.ts';
import { compileWriter, type Write } from './compile-writer.ts';
import type { Reader } from './reader.ts';
import type { Decoded, Encodable, Fields } from './schema.ts';
import type { Writer } from './writer.ts';

/** `flexible` of an API without compact lengths and tag sections in any version. */
export const NEVER: number = Number.POSITIVE_INFINITY;

export interface ApiTable<N extends string, Q extends Fields, S extends Fields> {
  /** On the wire: never renumber. */
  readonly key: number;
  readonly name: N;
  /** First and last version, both inclusive, of the layouts below. */
  readonly versions: readonly [number, number];
  /** First version with compact lengths and tag sections (KIP-482). */
  readonly flexible: number;
  readonly request: Q;
  readonly response: S;
}

export interface Api<N extends string = string, Q extends Fields = Fields, S extends Fields = Fields> {
  readonly key: number;
  readonly name: N;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly flexible: number;
  readonly request: Message<Q>;
  readonly response: Message<S>;
}

/** The request as a handler gets it. */
export type RequestOf<A extends Api> = Decoded<A['request']['fields']>;
/** The response as a handler makes it: fields with a default may be left out. */
export type ResponseOf<A extends Api> = Encodable<A['response']['fields']>;

export function api<const N extends string, const Q extends Fields, const S extends Fields>(
  table: ApiTable<N, Q, S>,
): Api<N, Q, S> {
  const [minVersion, maxVersion] = table.versions;
  const { key, name, flexible } = table;
  return {
    key,
    name,
    minVersion,
    maxVersion,
    flexible,
    request: new Message(`${name} request`, table.request, table.versions, flexible),
    response: new Message(`${name} response`, table.response, table.versions, flexible),
  };
}

/** Readers and writers of one message, compiled per version at first use. */
export class Message<F extends Fields> {
  readonly name: string;
  readonly fields: F;
  readonly #versions: readonly [number, number];
  readonly #flexible: number;
  readonly #reads: (Read | undefined)[] = [];
  readonly #writes: (Write | undefined)[] = [];

  constructor(name: string, fields: F, versions: readonly [number, number], flexible: number) {
    this.name = name;
    this.fields = fields;
    this.#versions = versions;
    this.#flexible = flexible;
  }

  /**
   * Reads one message at the reader's position. Bytes after it are left alone: librdkafka 2.x sends surplus ones.
   *
   * @throws MillraceError WIRE_TRUNCATED, WIRE_MALFORMED, or WIRE_UNSUPPORTED_VERSION, with api, version, path and
   *   position in its details. The reader then stands where reading failed.
   */
  read(reader: Reader, version: number): Decoded<F> {
    const read = this.#reads[version] ?? this.#compileRead(version);
    try {
      return read(reader) as Decoded<F>;
    } catch (error) {
      throw this.#locate(error, version, reader.takePath());
    }
  }

  /**
   * Appends one message.
   *
   * @throws MillraceError WIRE_UNSUPPORTED_VERSION for a version out of range, and for a value that this version
   *   cannot carry; TypeError for a missing field. What was written before the error stays in the writer.
   */
  write(writer: Writer, version: number, value: Encodable<F>): void {
    const write = this.#writes[version] ?? this.#compileWrite(version);
    try {
      write(writer, value);
    } catch (error) {
      throw this.#locate(error, version, writer.takePath());
    }
  }

  #compileRead(version: number): Read {
    this.#check(version);
    const read = compileReader(this.fields, version, version >= this.#flexible);
    this.#reads[version] = read;
    return read;
  }

  #compileWrite(version: number): Write {
    this.#check(version);
    const write = compileWriter(this.fields, version, version >= this.#flexible);
    this.#writes[version] = write;
    return write;
  }

  #check(version: number): void {
    const [first, last] = this.#versions;
    if (Number.isInteger(version) && version >= first && version <= last) return;
    throw new MillraceError(
      'WIRE_UNSUPPORTED_VERSION',
      `${this.name}: version ${version} is not among ${first} to ${last}.`,
      { details: { api: this.name, version, first, last } },
    );
  }

  #locate(error: unknown, version: number, path: string): unknown {
    const where = `${this.name} v${version}${path === '' ? '' : `, field ${path}`}`;
    if (error instanceof TypeError) return new TypeError(`${where}: ${error.message}`, { cause: error });
    if (!(error instanceof MillraceError)) return error;
    return new MillraceError(error.code, `${where}: ${error.message}`, {
      details: { ...error.details, api: this.name, version, path },
      cause: error,
    });
  }
}
