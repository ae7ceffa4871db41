/**
 * Sends record objects to one topic as NDJSON, many in a request, one request at a time: so the order of the input is the
 * order in each partition, and memory stays at one request.
 */
import { MillraceError } from '../base/errors.ts';
import { type ApiClient, type RequestOptions, topicPath } from './api-client.ts';
import { UsageError } from './failure.ts';
import { type WrittenRange, WrittenRanges } from './written-ranges.ts';

/** Well below the listener's limit of 8 MiB, and enough that the cost of a request vanishes. */
const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_REQUEST_RECORDS = 10_000;
/** An overloaded broker has written nothing, so the same request goes out again: for half a minute at most. */
const OVERLOAD_RETRIES = 30;
const OVERLOAD_WAIT_MS = 1000;

/** Where a record of the input stands. */
export interface InputLine {
  /** Name of the file, or stdin. */
  readonly input: string;
  /** From 1. */
  readonly line: number;
}

interface WriteAnswer {
  readonly topic: string;
  readonly count: number;
  readonly partitions: readonly { readonly partition: number; readonly baseOffset: number; readonly count: number }[];
}

export class RecordWriter {
  readonly #client: ApiClient;
  readonly #path: string;
  readonly #query: { readonly ack: string; readonly partition: number | undefined };
  readonly #headers: Readonly<Record<string, string>> | undefined;
  #sent = false;
  readonly #ranges = new WrittenRanges();
  #lines: string[] = [];
  /** Of `#lines`, one each where the caller names them. */
  #places: InputLine[] = [];
  #lineBytes = 0;
  #topic: string | undefined;

  /** @param headers of the one request that there may be then: what they ask for cannot hold for several. */
  constructor(
    client: ApiClient,
    topic: string,
    query: { ack: string; partition: number | undefined },
    headers?: Readonly<Record<string, string>>,
  ) {
    this.#client = client;
    this.#path = topicPath(topic, 'records');
    this.#query = query;
    this.#headers = headers;
  }

  /** Records acknowledged so far. */
  get count(): number {
    return this.#ranges.count;
  }

  /** The topic's name as the broker spells it; undefined before the first answer. */
  get topic(): string | undefined {
    return this.#topic;
  }

  /** Where the acknowledged records stand. */
  get partitions(): Iterable<WrittenRange> {
    return this.#ranges.values();
  }

  /** Takes one record object as JSON text; sends when enough have gathered. @param place for the message of a refusal. */
  async write(record: string, place?: InputLine): Promise<void> {
    this.#lines.push(record);
    if (place !== undefined) this.#places.push(place);
    // Characters, which is close enough to bytes for a limit that is far below the listener's.
    this.#lineBytes += record.length;
    if (this.#lineBytes >= MAX_REQUEST_BYTES || this.#lines.length >= MAX_REQUEST_RECORDS) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const body = `${this.#lines.join('\n')}\n`;
    const places = this.#places;
    this.#lines = [];
    this.#places = [];
    this.#lineBytes = 0;
    try {
      await this.send({ body, contentType: 'application/x-ndjson' });
    } catch (error) {
      throw inInput(error, places);
    }
  }

  /** Sends one request as it is. @throws MillraceError as the broker refused; what was acknowledged before stays. */
  async send(request: RequestOptions): Promise<void> {
    if (this.#headers !== undefined && this.#sent) {
      throw new UsageError('The input is more than one request takes; --if-offset and --idempotency-key are for one.');
    }
    this.#sent = true;
    const headers = { ...request.headers, ...this.#headers };
    const options = { ...request, headers, query: { ...this.#query, ...request.query } };
    for (let attempt = 1; ; attempt++) {
      try {
        this.#note((await this.#client.json('POST', this.#path, options)) as WriteAnswer);
        return;
      } catch (error) {
        if (!isOverload(error) || attempt > OVERLOAD_RETRIES) throw this.#withProgress(error);
        await new Promise((resolve) => setTimeout(resolve, OVERLOAD_WAIT_MS));
      }
    }
  }

  #note(answer: WriteAnswer): void {
    this.#topic = answer.topic;
    for (const { partition, baseOffset, count } of answer.partitions) this.#ranges.add(partition, baseOffset, count);
  }

  /** Whoever starts again after a failure must know how much is there already. */
  #withProgress(error: unknown): unknown {
    if (this.count === 0 || !(error instanceof MillraceError)) return error;
    const message = `${error.message} ${this.count} records before were written.`;
    return new MillraceError(error.code, message, {
      details: { ...error.details, written: this.count },
      cause: error,
    });
  }
}

/** Refusals that are about one record and do not say which. */
const RECORD_FAULTS: ReadonlySet<string> = new Set(['BROKER_PARTITION_NOT_FOUND', 'MODEL_BATCH_TOO_LARGE']);

/** The broker counts the lines of a request; who reads the message has the input. */
function inInput(error: unknown, places: readonly InputLine[]): unknown {
  const [first, last] = [places[0], places.at(-1)];
  if (!(error instanceof MillraceError) || first === undefined || last === undefined) return error;
  const again = (message: string, place: InputLine): MillraceError =>
    new MillraceError(error.code, message, { details: { ...error.details, ...place }, cause: error });
  const named = /^In the body, line (\d+)(?:\.(\S+))?/.exec(error.message);
  const place = places[Number(named?.[1]) - 1];
  if (named !== null && place !== undefined) {
    const where = `Line ${place.line} of ${place.input}${named[2] === undefined ? '' : `: ${named[2]}`}`;
    return again(where + error.message.slice(named[0].length), place);
  }
  if (!RECORD_FAULTS.has(error.code)) return error;
  const one = first.line === last.line && first.input === last.input;
  const other = first.input === last.input ? '' : ` of ${first.input}`;
  const range = one ? `It is line ${last.line}` : `It is one of lines ${first.line}${other} to ${last.line}`;
  return again(`${error.message} ${range} of ${last.input}.`, first);
}

function isOverload(error: unknown): boolean {
  return error instanceof MillraceError && error.code.endsWith('_OVERLOADED');
}
