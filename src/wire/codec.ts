/**
 * Whole messages: header and body together. Encoders yield complete frames, ready for a socket (int32 size, header,
 * body); decoders take what follows a frame's size, as a frame reader hands it out. Requests of whatever kind: decode-request.ts.
 */
import type { Api, ResponseOf } from './api.ts';
import { readResponseHeader, writeRequestStart, writeResponseHeader } from './header.ts';
import { MAX_RESPONSE_ELEMENTS, Reader } from './reader.ts';
import type { Decoded, Encodable } from './schema.ts';
import { Writer } from './writer.ts';

/** What an encoder needs beside the body. */
export interface RequestOptions {
  readonly correlationId: number;
  readonly clientId?: string | null;
}

/**
 * Encodes one response as a frame; the result is owned by the caller.
 *
 * @throws MillraceError WIRE_UNSUPPORTED_VERSION where the version is unknown or cannot carry a value; TypeError where
 *   a required field is missing.
 */
export function encodeResponse<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  body: ResponseOf<A>,
): Buffer {
  return withScratch((writer) => writeResponse(writer, api, version, correlationId, body));
}

/** Appends one response frame to a writer, so that answers to pipelined requests share a buffer. On an error nothing is appended. */
export function writeResponse<A extends Api>(
  writer: Writer,
  api: A,
  version: number,
  correlationId: number,
  body: ResponseOf<A>,
): void {
  writeFrame(writer, () => {
    writeResponseHeader(writer, api, version, correlationId);
    api.response.write(writer, version, body);
  });
}

/** Encodes one request as a frame; the result is owned by the caller. Errors as `encodeResponse`. */
export function encodeRequest<A extends Api>(
  api: A,
  version: number,
  options: RequestOptions,
  body: Encodable<A['request']['fields']>,
): Buffer {
  return withScratch((writer) => writeRequest(writer, api, version, options, body));
}

/** Appends one request frame to a writer. On an error nothing is appended. */
export function writeRequest<A extends Api>(
  writer: Writer,
  api: A,
  version: number,
  options: RequestOptions,
  body: Encodable<A['request']['fields']>,
): void {
  const { correlationId, clientId = null } = options;
  writeFrame(writer, () => {
    const header = { apiKey: api.key, apiVersion: version, correlationId, clientId };
    writeRequestStart(writer, header, version >= api.flexible);
    api.request.write(writer, version, body);
  });
}

/**
 * Decodes the response to a request of this API and version.
 *
 * @param message what follows the frame's size; byte fields of the result are views into it.
 * @throws MillraceError WIRE_UNSUPPORTED_VERSION, WIRE_TRUNCATED or WIRE_MALFORMED, with the field's path and position in
 *   `details`.
 */
export function decodeResponse<A extends Api>(
  api: A,
  version: number,
  message: Uint8Array,
): { readonly correlationId: number; readonly body: Decoded<A['response']['fields']> } {
  const reader = new Reader(message, 0, message.length, MAX_RESPONSE_ELEMENTS);
  const correlationId = readResponseHeader(reader, api, version);
  return { correlationId, body: api.response.read(reader, version) };
}

function writeFrame(writer: Writer, writeMessage: () => void): void {
  const start = writer.position;
  try {
    writer.int32(0);
    writeMessage();
  } catch (error) {
    writer.position = start;
    throw error;
  }
  writer.patchInt32(start, writer.position - start - 4);
}

const SCRATCH_BYTES = 64 * 1024;
const scratch = new Writer(SCRATCH_BYTES);

/** A frame that fills much of the scratch buffer takes it along; a small one is copied out, to pin no more than it needs. */
function withScratch(write: (writer: Writer) => void): Buffer {
  scratch.reset();
  try {
    write(scratch);
    return scratch.position * 2 > scratch.buffer.length
      ? scratch.detach(SCRATCH_BYTES)
      : Buffer.from(scratch.written());
  } finally {
    if (scratch.buffer.length > SCRATCH_BYTES) scratch.detach(SCRATCH_BYTES);
  }
}
