/**
 * What precedes every body, after the frame's size.
 *
 * Request header:
 * | position | type | name | in |
 * |---|---|---|---|
 * | 0 | int16 | api key | all |
 * | 2 | int16 | api version | all |
 * | 4 | int32 | correlation id | all |
 * | 8 | nullable string (int16 length, never compact) | client id | all |
 * | .. | tag section | | v2: requests of flexible versions |
 *
 * Response header: int32 correlation id; v1, for flexible versions, adds a tag section. ApiVersions answers with v0 in
 * every version, because its reader does not know yet what the broker speaks (KIP-511).
 *
 * Example, Heartbeat v0 with correlation id 7 and client "a": 000c 0000 00000007 0001 61.
 */
import type { Api } from './api.ts';
import { API_KEYS } from './api-keys.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** Reads what all request headers have, which ends with the client id. */
export function readRequestStart(reader: Reader): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientId = reader.nullableString();
  return { apiKey, apiVersion, correlationId, clientId };
}

/** Leaves the reader at the body of a request whose start was read. Of a version without a table nothing more is read. */
export function skipRequestTags(
  reader: Reader,
  { flexible, maxVersion }: Pick<Api, 'flexible' | 'maxVersion'>,
  version: number,
): void {
  if (version >= flexible && version <= maxVersion) reader.skipTags();
}

/** @param isFlexible whether this version of the API is. */
export function writeRequestStart(writer: Writer, header: RequestHeader, isFlexible: boolean): void {
  writer.int16(header.apiKey);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  writer.nullableString(header.clientId);
  if (isFlexible) writer.noTags();
}

/** Returns the correlation id and leaves the reader at the body. */
export function readResponseHeader(reader: Reader, api: Pick<Api, 'key' | 'flexible'>, version: number): number {
  const correlationId = reader.int32();
  if (hasTags(api, version)) reader.skipTags();
  return correlationId;
}

export function writeResponseHeader(
  writer: Writer,
  api: Pick<Api, 'key' | 'flexible'>,
  version: number,
  correlationId: number,
): void {
  writer.int32(correlationId);
  if (hasTags(api, version)) writer.noTags();
}

function hasTags(api: Pick<Api, 'key' | 'flexible'>, version: number): boolean {
  return version >= api.flexible && api.key !== API_KEYS.ApiVersions;
}
