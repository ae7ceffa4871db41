/** What stages know of the transaction that a pipeline runs in: only where their producers come from. */
import type { Client, HeaderCodecs, Producer, ProducerOptions } from '../client/internal.ts';

export interface TransactionHandle {
  /** A producer whose records belong to the running transaction. */
  producer<Value, Key, Headers extends HeaderCodecs | undefined>(
    client: Client,
    options: ProducerOptions<Value, Key, Headers>,
  ): Promise<Producer<Value, Key, Headers>>;
}
