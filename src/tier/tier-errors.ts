/** Errors of object stores, with the store and the key named. */
import { type ErrorCode, MillraceError } from '../base/errors.ts';

type TierCode = Extract<ErrorCode, `TIER_${string}`>;

export function tierError(code: TierCode, store: string, key: string, problem: string, cause?: unknown): MillraceError {
  return new MillraceError(code, `${store}, object '${key}': ${problem}.`, { details: { store, key }, cause });
}
