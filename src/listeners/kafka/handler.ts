/** What a handler file exports: the API it serves, and how. The versions that are served stand in registry.ts. */
import type { Broker } from '../../broker/broker.ts';
import type { Api, RequestOf, ResponseOf } from '../../wire/api.ts';

/** Host and port as clients shall connect to them. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** The circumstances of one request. */
export interface Call {
  readonly broker: Broker;
  readonly version: number;
  /** Empty where the client gave none. */
  readonly clientId: string;
  /** Address of the client, as groups show it. */
  readonly clientHost: string;
  /** Of this broker, for this client. */
  readonly endpoint: Endpoint;
}

export interface Handler {
  readonly api: Api;
  /**
   * Answers a decoded request. Byte fields of the request are borrowed until the first `await`.
   *
   * What it throws closes the connection: refusals that clients know are values in the answer.
   */
  readonly answer: (request: unknown, call: Call) => unknown;
}

export function handler<A extends Api>(
  api: A,
  answer: (request: RequestOf<A>, call: Call) => ResponseOf<A> | Promise<ResponseOf<A>>,
): Handler {
  return { api, answer: answer as (request: unknown, call: Call) => unknown };
}
