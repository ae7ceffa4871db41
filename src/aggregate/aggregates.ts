/** What aggregates of one kind share: codec, states, snapshots. */
import {
  type AbortOptions,
  type Client,
  type Codec,
  type ConditionalWriter,
  type Guarantee,
  MillraceError,
} from '../client/internal.ts';
import { Aggregate } from './aggregate.ts';
import type { SnapshotStore } from './snapshot-store.ts';

/** What aggregates of one kind are: their events, their states, their snapshots. */
export interface AggregateOptions<State, Event> {
  /** How events become bytes. */
  readonly event: Codec<Event>;
  /** The state before the first event. */
  readonly initial: () => State;
  /** The state after an event; the one before is not used again, so it may be changed and given back. */
  readonly apply: (state: State, event: Event) => State;
  /** Where states are kept, so that long streams open quickly. Default: nowhere. */
  readonly snapshots?: SnapshotStore<State> | undefined;
  /** Events between two snapshots. Default 100. */
  readonly snapshotEvery?: number | undefined;
  /** Names the form of the state. Change it with `apply`: snapshots of another version are not used. Default `1`. */
  readonly version?: string | undefined;
  /** A snapshot could not be loaded or saved; the work goes on without it. Default: nothing is told. */
  readonly onSnapshotFailed?: ((error: unknown) => void) | undefined;
  /** How often a write that lost against others is tried in all. Default 20. */
  readonly maxAttempts?: number | undefined;
}

/** Options of `open`. */
export interface OpenOptions extends AbortOptions {
  /** Of the topic; an aggregate lives in one. Default 0. */
  readonly partition?: number | undefined;
}

const DEFAULT_MAX_ATTEMPTS = 20;
const DEFAULT_SNAPSHOT_EVERY = 100;

/**
 * Describes aggregates of one kind. Does not compile where the back end is known to have no conditional appends: the Kafka
 * protocol, files and pipes. Where the URI is no literal, ask `client.hasConditionalAppends()`.
 *
 * ```ts
 * const accounts = aggregates(client, {
 *   event: json<AccountEvent>(),
 *   initial: () => ({ balance: 0 }),
 *   apply: ({ balance }, event) => ({ balance: balance + event.amount }),
 * });
 * const account = await accounts.open('accounts/17');
 * ```
 *
 * @throws MillraceError CLIENT_UNSUPPORTED where the back end cannot, all the same.
 */
export function aggregates<State, Event>(
  client: Client<Guarantee, 'if-unchanged'>,
  options: AggregateOptions<State, Event>,
): Aggregates<State, Event> {
  return new Aggregates(client, options);
}

/** Opens aggregates of one kind; made by `aggregates()`. */
export class Aggregates<State, Event> {
  readonly #client: Client;
  readonly #options: AggregateOptions<State, Event>;
  #writer: Promise<ConditionalWriter> | undefined;

  /** @internal Use `aggregates()`. */
  constructor(client: Client, options: AggregateOptions<State, Event>) {
    const { features, backendName } = client;
    if (!features.conditionalAppends)
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        `The ${backendName} back end has no conditional appends; http://, millrace+dir://, redis:// and memory:// have.`,
      );
    this.#client = client;
    this.#options = options;
  }

  /**
   * Opens the aggregate whose events are in this topic, as of now; a topic that is not there is an aggregate without events.
   * @throws MillraceError CLIENT_POSITION_OUT_OF_RANGE where events are gone that its state needs, CLIENT_DECODE_FAILED.
   */
  async open(topic: string, { partition = 0, signal }: OpenOptions = {}): Promise<Aggregate<State, Event>> {
    this.#writer ??= this.#client.openConditionalWriter();
    const { maxAttempts = DEFAULT_MAX_ATTEMPTS, snapshotEvery = DEFAULT_SNAPSHOT_EVERY, version = '1' } = this.#options;
    const aggregate = new Aggregate({
      ...this.#options,
      client: this.#client,
      writer: await this.#writer,
      place: { topic, partition },
      maxAttempts,
      snapshotEvery,
      version,
    });
    await aggregate.load({ signal });
    return aggregate;
  }
}
