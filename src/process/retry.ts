/** How often, and after which waits, a step's function is tried again. */
import { type Clock, delay, MillraceError } from '../client/internal.ts';

/** How often a call is made again, and after which waits. */
export interface RetryPolicy {
  /** Calls in all, the first included. Default 5. */
  readonly attempts?: number | undefined;
  /** Wait before the second call. Default 100. */
  readonly firstMs?: number | undefined;
  /** Each wait is so many times the last. Default 2. */
  readonly factor?: number | undefined;
  /** Longest wait. Default 30,000. */
  readonly maxMs?: number | undefined;
  /** Share of a wait that is left to chance, so that many do not come back at once: 0 to 1. Default 0.2. */
  readonly jitter?: number | undefined;
  /** Whether this failure is worth another call. Default: all but MillraceErrors whose kind is `fix-request` or `fenced`. */
  readonly when?: ((error: unknown, attempt: number) => boolean) | undefined;
}

export type ExactRetry = Required<{ readonly [Name in keyof RetryPolicy]: NonNullable<RetryPolicy[Name]> }>;

const ONCE: ExactRetry = { attempts: 1, firstMs: 0, factor: 1, maxMs: 0, jitter: 0, when: () => false };

/** @throws MillraceError CLIENT_OPTION_INVALID. */
export function exactRetry(policy: RetryPolicy | undefined): ExactRetry {
  if (policy === undefined) return ONCE;
  const { attempts = 5, firstMs = 100, factor = 2, maxMs = 30_000, jitter = 0.2, when = isWorthwhile } = policy;
  const sound =
    Number.isInteger(attempts) &&
    attempts >= 1 &&
    firstMs >= 0 &&
    factor >= 1 &&
    maxMs >= 0 &&
    jitter >= 0 &&
    jitter <= 1;
  if (!sound)
    throw new MillraceError(
      'CLIENT_OPTION_INVALID',
      'retry takes attempts from 1, firstMs and maxMs from 0, factor from 1, and jitter from 0 to 1.',
    );
  return { attempts, firstMs, factor, maxMs, jitter, when };
}

/** Wait after the `attempt`th call failed; `chance` in [0, 1). */
export function backoffMs({ firstMs, factor, maxMs, jitter }: ExactRetry, attempt: number, chance: number): number {
  const whole = Math.min(maxMs, firstMs * factor ** (attempt - 1));
  return whole * (1 - jitter * chance);
}

export interface RetryParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly onRetry: () => void;
}

/** A failure of the last attempt, with how many there were. */
export interface Exhausted {
  readonly error: unknown;
  readonly attempts: number;
}

/** Goes on after a first call that failed. @returns the result, or what the last call failed with. */
export async function retry<T>(
  policy: ExactRetry,
  parts: RetryParts,
  firstError: unknown,
  call: (attempt: number) => T | Promise<T>,
): Promise<{ readonly value: T } | Exhausted> {
  let error = firstError;
  for (let attempt = 1; ; attempt++) {
    if (parts.signal.aborted || attempt >= policy.attempts || !policy.when(error, attempt))
      return { error, attempts: attempt };
    await delay(parts.clock, backoffMs(policy, attempt, parts.random()), parts.signal);
    parts.onRetry();
    try {
      return { value: await call(attempt + 1) };
    } catch (next) {
      error = next;
    }
  }
}

function isWorthwhile(error: unknown): boolean {
  return !(error instanceof MillraceError && (error.kind === 'fix-request' || error.kind === 'fenced'));
}
