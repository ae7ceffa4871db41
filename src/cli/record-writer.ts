/**
 * Sends record objects to one topic as NDJSON, many in a request, one request at a time: so the order of the input is the
 * order in each partition, and memory stays at one request.
 */
import { MillraceError } from '../base/errors.ts';
import { type ApiClient, type RequestOptions, topicPath } from './api-client.ts';
import { UsageError } from './failure.ts';

/** Well below the listener's limit of 8 MiB, and enough that the cost of a request vanishes. */
const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_REQUEST_RECORDS = 10_000;
/** An overloaded broker has written nothing, so the same request goes out again: for half a minute at most. */
const OVERLOAD_RETRIES = 30;
const OVERLOAD_WAIT_MS = 1000;

export interface WrittenRange {
  readonly partition: number;
  readonly firstOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  /** Of this writer; others may have written in between. */
  readonly count: number;
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
  readonly #ranges = new Map<number, WrittenRange>();
  #lines: string[] = [];
  #lineBytes = 0;
  #count = 0;
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
    return this.#count;
  }

  /** The topic's name as the broker spells it; undefined before the first answer. */
  get topic(): string | undefined {
    return this.#topic;
  }

  /** Where the acknowledged records stand. */
  get partitions(): Iterable<WrittenRange> {
    return this.#ranges.values();
  }

  /** Takes one record object as JSON text; sends when enough have gathered. */
  async write(record: string): Promise<void> {
    this.#lines.push(record);
    // Characters, which is close enough to bytes for a limit that is far below the listener's.
    this.#lineBytes += record.length;
    if (this.#lineBytes >= MAX_REQUEST_BYTES || this.#lines.length >= MAX_REQUEST_RECORDS) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const body = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#lineBytes = 0;
    await this.send({ body, contentType: 'application/x-ndjson' });
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
    this.#count += answer.count;
    for (const { partition, baseOffset, count } of answer.partitions) {
      const before = this.#ranges.get(partition);
      this.#ranges.set(partition, {
        partition,
        firstOffset: before?.firstOffset ?? baseOffset,
        lastOffset: baseOffset + count - 1,
        count: (before?.count ?? 0) + count,
      });
    }
  }

  /** Whoever starts again after a failure must know how much is there already. */
  #withProgress(error: unknown): unknown {
    if (this.#count === 0 || !(error instanceof MillraceError)) return error;
    const message = `${error.message} ${this.#count} records before were written.`;
    return new MillraceError(error.code, message, {
      details: { ...error.details, written: this.#count },
      cause: error,
    });
  }
}

function isOverload(error: unknown): boolean {
  return error instanceof MillraceError && error.code.endsWith('_OVERLOADED');
}
