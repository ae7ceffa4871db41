import type { Api, ResponseOf } from '../../wire/api.ts';
import { writeResponse } from '../../wire/codec.ts';
import type { Output } from './output.ts';

/** One request and its place in the order of answers of its connection. */
export abstract class Exchange {
  readonly version: number;
  readonly correlationId: number;
  /** The answer can be written. */
  done = false;
  /** How long the client is asked to wait, and its connection is not read (KIP-219). */
  throttleTimeMs = 0;
  /** The one that came after it on the connection. */
  next: Exchange | undefined;

  constructor(version: number, correlationId: number) {
    this.version = version;
    this.correlationId = correlationId;
  }

  /** Appends the answer's frame. Called once, when it is done and all before it are written. */
  abstract write(output: Output): void;

  /** The answer's bytes have left, or never will. Called once at least; only now may memory they lie in be reused. */
  released(): void {}

  /** The connection is gone or the listener stops: whatever waits for this shall stop waiting. */
  cancel(): void {}
}

/** A request answered by a handler. */
export class CallExchange extends Exchange {
  readonly #api: Api;
  #body: unknown;

  constructor(api: Api, version: number, correlationId: number) {
    super(version, correlationId);
    this.#api = api;
  }

  answer(body: unknown): void {
    this.#body = body;
    this.done = true;
  }

  write(output: Output): void {
    writeResponse(output.writer, this.#api, this.version, this.correlationId, this.#body as ResponseOf<Api>);
    this.#body = undefined;
  }
}
