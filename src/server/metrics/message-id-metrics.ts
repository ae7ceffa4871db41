/** Topics that store a message once (`dedup.window.ms`). */
import type { MessageIds } from '../../broker/message-ids/message-ids.ts';
import type { MetricDefinition } from './metrics.ts';

export const MESSAGE_ID_METRICS: readonly MetricDefinition<MessageIds>[] = [
  {
    name: 'millrace_message_ids',
    kind: 'gauge',
    unit: 'count',
    help: 'Message ids that are remembered.',
    read: (messageIds) => messageIds.size,
  },
  {
    name: 'millrace_message_id_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Their memory, approximately.',
    read: (messageIds) => messageIds.sizeBytes,
  },
  {
    name: 'millrace_message_repeats_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records that were not stored again, because their message id was known.',
    read: (messageIds) => messageIds.counters.repeats,
  },
];
