/** Request headers of any API that has a table; their bytes stand in header.ts. */
import { apiOf } from './apis.ts';
import { type RequestHeader, readRequestStart, skipRequestTags, writeRequestStart } from './header.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/**
 * Reads a request header and leaves the reader at the body.
 *
 * Keys and versions that we have no table for are no error here: the caller decides (ApiVersions is answered in
 * version 0, other connections are closed), and their headers are read no further than the client id, which stands
 * in the same place in all.
 */
export function readRequestHeader(reader: Reader): RequestHeader {
  const header = readRequestStart(reader);
  const api = apiOf(header.apiKey);
  if (api !== undefined) skipRequestTags(reader, api, header.apiVersion);
  return header;
}

export function writeRequestHeader(writer: Writer, header: RequestHeader): void {
  const api = apiOf(header.apiKey);
  writeRequestStart(writer, header, api !== undefined && header.apiVersion >= api.flexible);
}
