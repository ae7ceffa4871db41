/** When a consumer commits. Only processed records are ever committed: those after which the next was asked for. */
import { MillraceError } from '../base/errors.ts';

/**
 * - `after-processing` (default with a group): when all records that one read brought are processed, and on close.
 * - `each`: after every record.
 * - `{ every: n }`: after n records. `{ intervalMs }`: at most that often, by the clock.
 * - `manual`: when `commit` is called, and only then.
 * - `none`: never; where the group starts is always `from`.
 *
 * All but `manual` and `none` also commit what is processed when the consumer closes.
 */
export type CommitPolicy =
  | 'after-processing'
  | 'each'
  | { readonly every: number }
  | { readonly intervalMs: number }
  | 'manual'
  | 'none';

/** A policy with its numbers settled. */
export type ExactPolicy =
  | { readonly type: 'after-processing' | 'manual' | 'none' }
  | { readonly type: 'every'; readonly count: number }
  | { readonly type: 'interval'; readonly intervalMs: number };

/** @throws MillraceError CLIENT_OPTION_INVALID. */
export function exactPolicy(policy: CommitPolicy): ExactPolicy {
  if (policy === 'each') return { type: 'every', count: 1 };
  if (policy === 'after-processing' || policy === 'manual' || policy === 'none') return { type: policy };
  if (typeof policy === 'object' && policy !== null) {
    if ('every' in policy && Number.isInteger(policy.every) && policy.every > 0)
      return { type: 'every', count: policy.every };
    if ('intervalMs' in policy && Number.isFinite(policy.intervalMs) && policy.intervalMs > 0)
      return { type: 'interval', intervalMs: policy.intervalMs };
  }
  throw new MillraceError(
    'CLIENT_OPTION_INVALID',
    "commit is 'after-processing', 'each', { every: n }, { intervalMs }, 'manual' or 'none'.",
  );
}
