/** What the routes that write share of their answers. */
import type { HttpContext } from './context.ts';

/** The answer is that of the first request under this idempotency key; this one wrote nothing. */
export const REPLAYED_HEADER = 'idempotent-replayed';

export function countWritten({ broker, counters }: HttpContext, startedAt: number, records: number): void {
  counters.recordsProduced += records;
  counters.produceLatency.addMs(broker.clock.monotonic() - startedAt);
}
