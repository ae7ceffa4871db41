/** Whole requests of any API that has a table. */
import { MillraceError } from '../base/errors.ts';
import type { Api, RequestOf } from './api.ts';
import { type AnyApi, apiOf } from './apis.ts';
import type { RequestHeader } from './header.ts';
import { Reader } from './reader.ts';
import { readRequestHeader } from './request-header.ts';

/** A request, told apart by `name`: `switch (request.name) { case 'Metadata': request.body.topics ... }`. */
export type DecodedRequest = {
  [A in AnyApi as A['name']]: {
    readonly name: A['name'];
    readonly api: A;
    readonly header: RequestHeader;
    readonly body: RequestOf<A>;
  };
}[AnyApi['name']];

/**
 * Decodes one request.
 *
 * @param message what follows the frame's size; byte fields of the result are views into it. Surplus bytes at its end
 *   are ignored.
 * @throws MillraceError WIRE_UNSUPPORTED_VERSION for an API or version without a table, WIRE_TRUNCATED or
 *   WIRE_MALFORMED with the field's path and position in `details`.
 */
export function decodeRequest(message: Uint8Array): DecodedRequest {
  const reader = new Reader(message);
  const header = readRequestHeader(reader);
  const api = apiOf(header.apiKey);
  if (api === undefined) throw unknownApi(header);
  const body: unknown = (api as Api).request.read(reader, header.apiVersion);
  return { name: api.name, api, header, body } as DecodedRequest;
}

function unknownApi(header: RequestHeader): MillraceError {
  return new MillraceError('WIRE_UNSUPPORTED_VERSION', `There is no API with key ${header.apiKey} here.`, {
    details: { apiKey: header.apiKey, version: header.apiVersion },
  });
}
