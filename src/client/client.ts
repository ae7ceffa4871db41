/** A connection to a back end: makes producers and consumers, and closes them with itself. */
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { type AbortOptions, opened } from './abort.ts';
import { Admin } from './admin.ts';
import type {
  Backend,
  ConditionalWriter,
  Features,
  ReaderMode,
  ReaderOptions,
  Writer,
  WriterOptions,
} from './backend.ts';
import { requireCodec } from './codec.ts';
import { Consumer, type ConsumerOptions, type ModeOptions, requirePartitions } from './consumer.ts';
import type { Appending, Guarantee } from './guarantee.ts';
import type { HeaderCodecs } from './headers.ts';
import { exactPosition, type Position } from './position.ts';
import { Producer, type ProducerOptions } from './producer.ts';
import { Transactor, type TransactorOptions } from './transactor.ts';
import type { BackendUri } from './uri.ts';

const DEFAULT_TRANSACTION_TIMEOUT_MS = 60_000;

export interface ClientParts {
  readonly backend: Backend;
  readonly uri: BackendUri;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/**
 * @typeParam Can `exactly-once` where the compiler knows that the back end has transactions.
 * @typeParam Appends `if-unchanged` where it knows that the back end has conditional appends.
 */
export class Client<Can extends Guarantee = Guarantee, Appends extends Appending = Appending>
  implements AsyncDisposable
{
  /** For the compiler alone. */
  declare readonly can?: Can;
  /** For the compiler alone. */
  declare readonly appends?: Appends;
  readonly #backend: Backend;
  readonly #uri: BackendUri;
  readonly #clock: Clock;
  /** @internal Numbers in [0, 1). */
  readonly random: () => number;
  /** Open producers and consumers; closed before the back end. */
  readonly #open = new Set<AsyncDisposable>();
  #closing: Promise<void> | undefined;

  /** @internal Use `connect()`. */
  constructor({ backend, uri, clock, random }: ClientParts) {
    this.#backend = backend;
    this.#uri = uri;
    this.#clock = clock;
    this.random = random;
  }

  /** Topics that the URI names. */
  get topics(): readonly string[] {
    return this.#uri.topics;
  }

  /** What the back end can. */
  get features(): Features {
    return this.#backend.features;
  }

  /** For messages: `memory`, `kafka`, `file`... */
  get backendName(): string {
    return this.#backend.name;
  }

  /** @throws MillraceError CLIENT_UNSUPPORTED where the back end has no topics to manage. */
  get admin(): Admin {
    const { admin } = this.#backend;
    if (admin === undefined)
      throw new MillraceError('CLIENT_UNSUPPORTED', `The ${this.#backend.name} back end has no topics to manage.`);
    return new Admin(admin);
  }

  /**
   * Opens a producer.
   *
   * ```ts
   * await using producer = await client.producer({ topic: 'orders', value: json<Order>() });
   * await producer.send({ key: order.id, value: order });
   * ```
   */
  async producer<Value, Key = string, Headers extends HeaderCodecs | undefined = undefined>(
    options: ProducerOptions<Value, Key, Headers>,
    { signal }: AbortOptions = {},
  ): Promise<Producer<Value, Key, Headers>> {
    this.#checkOpen();
    requireCodec(options.value, 'encode');
    const writer = await opened(() => this.#backend.openWriter(writerOptions(options)), signal);
    return this.#openProducer(writer, options);
  }

  #openProducer<Value, Key, Headers extends HeaderCodecs | undefined>(
    writer: Writer,
    options: ProducerOptions<Value, Key, Headers>,
  ): Producer<Value, Key, Headers> {
    const [onlyTopic, ...others] = this.#uri.topics;
    const producer: Producer<Value, Key, Headers> = new Producer(
      {
        writer,
        backendName: this.#backend.name,
        features: this.#backend.features,
        clock: this.#clock,
        defaultTopic: others.length === 0 ? onlyTopic : undefined,
        onClose: () => this.#open.delete(producer),
      },
      options,
    );
    this.#open.add(producer);
    return producer;
  }

  /** Whether the back end has transactions; in the branch where it has, the compiler knows. */
  hasTransactions(): this is Client<'exactly-once', Appends> {
    return this.#backend.features.transactions;
  }

  /** Whether the back end has conditional appends (`millrace/aggregate`); in the branch where it has, the compiler knows. */
  hasConditionalAppends(): this is Client<Can, 'if-unchanged'> {
    return this.#backend.features.conditionalAppends;
  }

  /** @internal For `millrace/aggregate`. @throws MillraceError CLIENT_UNSUPPORTED. */
  async openConditionalWriter(): Promise<ConditionalWriter> {
    this.#checkOpen();
    const backend = this.#backend;
    if (backend.openConditionalWriter === undefined)
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        `The ${backend.name} back end has no conditional appends; http://, millrace+dir://, redis:// and memory:// have.`,
      );
    const writer = await backend.openConditionalWriter();
    const close = async (): Promise<void> => {
      this.#open.delete(owned);
      await writer.close();
    };
    const owned = { [Symbol.asyncDispose]: close };
    this.#open.add(owned);
    return { append: async (batch, endOffset, options) => await writer.append(batch, endOffset, options), close };
  }

  /** @internal */
  get clock(): Clock {
    return this.#clock;
  }

  /**
   * Opens transactions under an id; whoever used the id before is fenced. Does not compile where the back end is not known to
   * have them: connect with a literal URI, or ask `hasTransactions()`.
   *
   * ```ts
   * await using transactor = await client.transactor({ transactionalId: 'billing' });
   * const bills = transactor.producer({ topic: 'bills', value: json<Bill>() });
   * ```
   *
   * @throws MillraceError CLIENT_UNSUPPORTED, CLIENT_NETWORK, CLIENT_ABORTED, what the server refuses with.
   */
  async transactor(
    this: Client<'exactly-once'>,
    options: TransactorOptions,
    abort: AbortOptions = {},
  ): Promise<Transactor> {
    return await this.openTransactor(options, abort);
  }

  /** @internal The same, for callers that know otherwise that there are transactions. */
  async openTransactor(options: TransactorOptions, { signal }: AbortOptions = {}): Promise<Transactor> {
    this.#checkOpen();
    const backend = this.#backend;
    const open = backend.openTransactions?.bind(backend);
    if (open === undefined)
      throw new MillraceError('CLIENT_UNSUPPORTED', `The ${backend.name} back end has no transactions.`);
    const { transactionalId, timeoutMs = DEFAULT_TRANSACTION_TIMEOUT_MS, compression = 'none' } = options;
    if (typeof transactionalId !== 'string' || transactionalId === '')
      throw new MillraceError('CLIENT_OPTION_INVALID', 'transactionalId is a name that no other program uses.');
    const writer = await opened(() => open({ transactionalId, timeoutMs, compression }), signal);
    const transactor: Transactor = new Transactor({
      writer,
      openProducer: (bound, producerOptions) => this.#openProducer(bound, producerOptions),
      onClose: () => this.#open.delete(transactor),
    });
    this.#open.add(transactor);
    return transactor;
  }

  /**
   * Opens a consumer; when it resolves, the position is taken: what is produced from then on is behind `latest`.
   *
   * ```ts
   * await using consumer = await client.consumer({ mode: 'load-balanced', group: 'billing', value: json<Order>() });
   * for await (const { value } of consumer) await bill(value);
   * ```
   */
  async consumer<Value, Key = string, Headers extends HeaderCodecs | undefined = undefined>(
    options: ConsumerOptions<Value, Key, Headers>,
    { signal }: AbortOptions = {},
  ): Promise<Consumer<Value, Key, Headers>> {
    this.#checkOpen();
    const mode = this.#mode(options);
    const topics = this.#topicsOf(options.topics);
    const reading: ReaderOptions = {
      mode,
      topics,
      partitions: options.partitions,
      from: exactPosition(options.from ?? defaultPosition(mode)),
      untilEnd: options.until === 'end',
    };
    requireCodec(options.value, 'decode');
    const reader = await opened(() => this.#backend.openReader(reading), signal);
    try {
      requirePartitions(reader, options.partitions ?? []);
    } catch (error) {
      await reader.close();
      throw error;
    }
    const consumer: Consumer<Value, Key, Headers> = new Consumer(
      { reader, clock: this.#clock, onClose: () => this.#open.delete(consumer) },
      options,
    );
    this.#open.add(consumer);
    return consumer;
  }

  /** Closes consumers, then producers (which flush), then the connection. @throws AggregateError with all that failed. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    const attempt = async (step: () => PromiseLike<void>): Promise<void> => {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    };
    const ranks = Map.groupBy(this.#open, rankOfClosing);
    // Side by side: each may wait to its limit for a server that is away.
    for (const [, parts] of [...ranks].toSorted(([a], [b]) => a - b))
      await Promise.all(parts.map((part) => attempt(() => part[Symbol.asyncDispose]())));
    await attempt(() => this.#backend.close());
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1)
      throw new AggregateError(failures, `${failures.length} parts of the client failed to close.`);
  }

  #mode(options: ModeOptions): ReaderMode {
    const { features, name } = this.#backend;
    // The types say so too; programs in JavaScript get here.
    const { mode = 'real-time', group } = options as { mode?: string; group?: unknown };
    switch (mode) {
      case 'real-time':
        if (group !== undefined)
          throw new MillraceError(
            'CLIENT_GROUP_NOT_ALLOWED',
            "A group goes with mode 'resumable' or 'load-balanced', not 'real-time'.",
          );
        return { type: mode };
      case 'resumable':
      case 'load-balanced':
        if (typeof group !== 'string' || group === '')
          throw new MillraceError(
            'CLIENT_GROUP_REQUIRED',
            `Mode '${mode}' needs a group: the name under which positions are kept.`,
          );
        if (!(mode === 'resumable' ? features.resumable : features.loadBalanced))
          throw new MillraceError('CLIENT_UNSUPPORTED', `The ${name} back end has no mode '${mode}'.`);
        return { type: mode, group };
      default:
        throw new MillraceError(
          'CLIENT_OPTION_INVALID',
          `There is no mode ${JSON.stringify(mode)}; there are real-time, resumable and load-balanced.`,
        );
    }
  }

  #topicsOf(topics: string | readonly string[] | undefined): readonly string[] {
    const named = typeof topics === 'string' ? [topics] : (topics ?? this.#uri.topics);
    if (named.length > 0) return [...new Set(named)];
    throw new MillraceError('CLIENT_OPTION_INVALID', 'Name topics: in the options of the consumer, or in the URI.');
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MillraceError('CLIENT_CLOSED', 'The client has been closed.');
  }
}

function writerOptions(options: Pick<ProducerOptions<never>, 'acks' | 'idempotent' | 'compression'>): WriterOptions {
  const acks = options.acks ?? 'all';
  const compression = options.compression ?? 'none';
  requireWord('acks', acks, ['all', 'leader', 'none']);
  requireWord('compression', compression, ['none', 'gzip', 'snappy', 'lz4', 'zstd']);
  return {
    acks,
    // Retries of an idempotent producer need the broker's answer to all of them.
    idempotent: options.idempotent ?? acks === 'all',
    compression,
  };
}

/** The types say so too; programs in JavaScript get here. */
function requireWord(name: string, word: string, known: readonly string[]): void {
  if (known.includes(word)) return;
  throw new MillraceError(
    'CLIENT_OPTION_INVALID',
    `${name} is one of ${known.join(', ')}, not ${JSON.stringify(word)}.`,
  );
}

/** Consumers, then producers, then what producers write through. */
function rankOfClosing(part: AsyncDisposable): number {
  if (part instanceof Transactor) return 1;
  return part instanceof Producer ? 2 : 0;
}

function defaultPosition(mode: ReaderMode): Position {
  return mode.type === 'real-time' ? 'latest' : 'earliest';
}
