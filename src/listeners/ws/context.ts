/** What the connections share. */
import type { Clock } from '../../base/clock.ts';
import type { HttpContext } from '../http/context.ts';
import type { WebSocketCounters } from './counters.ts';
import type { WebSocketSettings } from './settings.ts';

export interface WebSocketContext {
  /** The HTTP listener's: one port, one budget for answers, one form of records. */
  readonly http: HttpContext;
  readonly clock: Clock;
  readonly settings: WebSocketSettings;
  readonly counters: WebSocketCounters;
}
