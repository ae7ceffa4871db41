/** What a handler file exports: which versions of an API it serves, and how. */
import type { Broker } from '../../broker/broker.ts';
import type { Api, RequestOf, ResponseOf } from '../../wire/index.ts';

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

/** The ranges that ApiVersions lists, inclusive. */
export interface ServedApi {
  readonly api: Api;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** Listed in place of `minVersion`, where clients judge us by it. */
  readonly advertisedMinVersion: number;
}

export interface Handler extends ServedApi {
  /**
   * Answers a decoded request. Byte fields of the request are borrowed until the first `await`.
   *
   * What it throws closes the connection: refusals that clients know are values in the answer.
   */
  readonly answer: (request: unknown, call: Call) => unknown;
}

/** @param versions first and last, inclusive. */
export function handler<A extends Api>(
  api: A,
  versions: readonly [number, number],
  answer: (request: RequestOf<A>, call: Call) => ResponseOf<A> | Promise<ResponseOf<A>>,
): Handler {
  const [minVersion, maxVersion] = versions;
  return {
    api,
    minVersion,
    maxVersion,
    advertisedMinVersion: minVersion,
    answer: answer as (request: unknown, call: Call) => unknown,
  };
}
