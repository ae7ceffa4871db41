/** Names of the quota APIs (KIP-546). On the wire. */
import type { ClientQuota } from '../../broker/quotas/quotas-state.ts';

export const CLIENT_ID = 'client-id';
/** Those that Kafka knows; only client ids have quotas here. */
export const ENTITY_TYPES: ReadonlySet<string> = new Set(['user', CLIENT_ID, 'ip']);

/** Quotas that act, and the field that each stands in. */
export const QUOTA_KEYS = {
  producer_byte_rate: 'producerByteRate',
  consumer_byte_rate: 'consumerByteRate',
} as const satisfies Record<string, keyof ClientQuota>;

/** Quotas of Kafka that do not act here: refused, not swallowed. */
export const IDLE_QUOTA_KEYS: ReadonlySet<string> = new Set([
  'request_percentage',
  'controller_mutation_rate',
  'connection_creation_rate',
]);
