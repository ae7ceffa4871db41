/** Headers of a record: an ordered list in which names may repeat, read by name through codecs. */
import { MillraceError } from '../base/errors.ts';
import type { RecordHeader } from '../model/record.ts';
import { type Codec, decodePart, encodePart, type InputOf, type OutputOf, string } from './codec.ts';

/** Name to codec: gives headers types, and keeps others from being sent. */
export type HeaderCodecs = Readonly<Record<string, Codec<unknown, never>>>;

/** Without codecs: any name; text is sent as UTF-8. */
export type AnyHeaders = Readonly<Record<string, string | Uint8Array | null>>;

/** What a producer takes: with codecs those names and types alone. */
export type HeadersInput<H> = H extends HeaderCodecs ? { readonly [Name in keyof H]?: InputOf<H[Name]> } : AnyHeaders;

type HeaderName<H> = H extends HeaderCodecs ? keyof H & string : string;
type HeaderValue<H, Name> = H extends HeaderCodecs ? (Name extends keyof H ? OutputOf<H[Name]> : never) : string | null;

/** Headers of a record that was read. Decoding happens when a header is asked for. */
export class RecordHeaders<H = undefined> implements Iterable<RecordHeader> {
  /** As stored, in order; values are views of the batch. */
  readonly entries: readonly RecordHeader[];
  readonly #codecs: HeaderCodecs | undefined;

  constructor(entries: readonly RecordHeader[], codecs: H) {
    this.entries = entries;
    this.#codecs = codecs as HeaderCodecs | undefined;
  }

  get size(): number {
    return this.entries.length;
  }

  has(name: HeaderName<H>): boolean {
    return this.#last(name) !== undefined;
  }

  /**
   * Value of the last header of this name (later ones override earlier ones), decoded by its codec, or as text without one.
   * @throws MillraceError CLIENT_DECODE_FAILED where it does not fit.
   */
  get<Name extends HeaderName<H>>(name: Name): HeaderValue<H, Name> | undefined {
    const header = this.#last(name);
    if (header === undefined) return undefined;
    const codec = this.#codecs?.[name];
    if (codec !== undefined) return decodePart(codec, `header ${name}`, header.value) as HeaderValue<H, Name>;
    const text = header.value === null ? null : decodePart(string(), `header ${name}`, header.value);
    return text as HeaderValue<H, Name>;
  }

  [Symbol.iterator](): Iterator<RecordHeader> {
    return this.entries[Symbol.iterator]();
  }

  #last(name: string): RecordHeader | undefined {
    return this.entries.findLast((header) => header.key === name);
  }
}

const NO_HEADERS: readonly RecordHeader[] = [];

/** @throws MillraceError CLIENT_ENCODE_FAILED for a name without codec, where there are codecs, or a value that does not fit. */
export function encodeHeaders(
  headers: Readonly<Record<string, unknown>> | RecordHeaders<unknown> | undefined,
  codecs: HeaderCodecs | undefined,
): readonly RecordHeader[] {
  if (headers === undefined) return NO_HEADERS;
  if (headers instanceof RecordHeaders) return headers.entries;
  const encoded: RecordHeader[] = [];
  for (const [key, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    encoded.push({ key, value: encodeHeader(key, value, codecs) });
  }
  return encoded;
}

function encodeHeader(name: string, value: unknown, codecs: HeaderCodecs | undefined): Uint8Array | null {
  if (codecs === undefined) {
    if (value === null || value instanceof Uint8Array) return value;
    return encodePart(string(), `header ${name}`, value as string);
  }
  const codec = codecs[name];
  if (codec === undefined) {
    const known = Object.keys(codecs).join(', ');
    throw new MillraceError(
      'CLIENT_ENCODE_FAILED',
      `There is no codec for header ${name}; there are ones for ${known}.`,
    );
  }
  return encodePart(codec, `header ${name}`, value);
}
