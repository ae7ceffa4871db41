import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Broker } from '../../broker/broker.ts';
import type { FetchCursor } from '../../wire/fetch.ts';
import type { ProduceCursor } from '../../wire/produce.ts';
import type { Reader } from '../../wire/reader.ts';
import type { Connection } from './connection.ts';
import type { FetchSessions } from './fetch-sessions.ts';
import type { Gathering } from './gathering.ts';
import type { LandingBudget } from './landing-budget.ts';
import type { KafkaMetrics } from './metrics.ts';
import type { Output } from './output.ts';
import type { KafkaListenerSettings } from './settings.ts';
import type { TopicCache } from './topic-cache.ts';

/** What all connections of a listener share. Everything here is used within one call and never across two. */
export interface ListenerContext {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: KafkaListenerSettings;
  readonly metrics: KafkaMetrics;
  readonly budget: LandingBudget;
  /** Memory that a socket is read into; as a rule the same for all. */
  slab(): Buffer;
  readonly output: Output;
  readonly headerReader: Reader;
  readonly produceCursor: ProduceCursor;
  readonly fetchCursor: FetchCursor;
  /** By name. */
  readonly topicCache: TopicCache;
  /** The same by the 16 bytes of the id. */
  readonly topicsById: TopicCache;
  readonly fetchSessions: FetchSessions;
  readonly gathering: Gathering;
  /** Calls `connection.flush` at the end of this tick. */
  flushSoon(connection: Connection): void;
  /** Calls `connection.resume` in the next turn of the event loop. */
  resumeSoon(connection: Connection): void;
  /** Calls `connection.relieved` when the journal has room. */
  onRelief(connection: Connection): void;
  closed(connection: Connection): void;
}
