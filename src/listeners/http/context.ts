/** What the routes share. */
import type { Logger } from '../../base/logger.ts';
import type { Broker } from '../../broker/broker.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { ConnectionOrder } from './connection-order.ts';
import type { HttpCounters } from './counters.ts';
import type { ReadingRoom } from './reading.ts';
import type { HttpSettings } from './settings.ts';

export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/** Where `/metrics` comes from: made by the composition root, which sees more than this listener. */
export interface MetricsSource {
  render(): Promise<MetricsText>;
}

export interface HttpContext {
  readonly broker: Broker;
  readonly settings: HttpSettings;
  readonly counters: HttpCounters;
  readonly logger: Logger;
  readonly metrics: MetricsSource | undefined;
  readonly room: ReadingRoom;
  /** Request bodies that are being received or answered. */
  readonly bodies: ByteBudget;
  isStopping(): boolean;
  /** Of the records that one connection sends ahead, whichever way they go. */
  readonly order: ConnectionOrder;
}
