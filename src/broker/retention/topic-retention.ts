import type { RetentionLimits } from '../../store/retention.ts';
import type { Topic } from '../topic.ts';

/** `retention.groups.wait.ms`; -1: groups do not matter. */
export function groupWaitMs({ overrides }: Topic): number {
  return Number(overrides?.get('retention.groups.wait.ms') ?? -1);
}

const NO_LIMITS: RetentionLimits = { maxAgeMs: -1, maxBytes: -1, maxRecords: -1 };

/**
 * What retention keeps of a topic. A durable stream ends by its own time to live, so the broker's defaults do not act on it,
 * only limits that were set on its topic; and forks read the records of their source, so nothing of a source goes.
 */
export function retentionOf({ stream, overrides, limits }: Topic): RetentionLimits {
  if (stream === undefined) return limits.retention;
  if (stream.forkCount > 0) return NO_LIMITS;
  const { maxAgeMs, maxBytes, maxRecords } = limits.retention;
  return {
    maxAgeMs: overrides?.has('retention.ms') === true ? maxAgeMs : -1,
    maxBytes: overrides?.has('retention.bytes') === true ? maxBytes : -1,
    maxRecords,
  };
}
