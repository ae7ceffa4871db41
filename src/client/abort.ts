/** Waiting that a signal can end, without leaving listeners behind. */
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';

/** What every call takes that may wait. */
export interface AbortOptions {
  readonly signal?: AbortSignal | undefined;
}

export function abortError(signal: AbortSignal): MillraceError {
  const reason: unknown = signal.reason;
  const why = reason instanceof Error ? reason.message : String(reason);
  return new MillraceError('CLIENT_ABORTED', `Given up: ${why}`, { cause: reason });
}

/** @throws MillraceError CLIENT_ABORTED. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** The promise's outcome, or CLIENT_ABORTED as soon as the signal says so; the work itself goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  if (signal.aborted) {
    // Nobody waits for it any more; its failure must not end the process.
    promise.catch(() => undefined);
    throw abortError(signal);
  }
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    promise.finally(settled).then(resolve, reject);
  });
}

/** Opens something; what opens after it was given up is closed. @throws MillraceError CLIENT_ABORTED, what opening fails with. */
export async function opened<T extends { close(): Promise<void> }>(
  open: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  throwIfAborted(signal);
  const opening = open();
  try {
    return await abortable(opening, signal);
  } catch (error) {
    if (signal?.aborted === true) opening.then((late) => late.close()).catch(() => undefined);
    throw error;
  }
}

/** @throws MillraceError CLIENT_ABORTED. */
export async function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.schedule(delayMs, resolve);
  try {
    await abortable(promise, signal);
  } finally {
    timer.cancel();
  }
}

/** The outcome, or CLIENT_TIMED_OUT once the time is over; the work itself goes on. */
export async function within<T>(clock: Clock, limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = clock.schedule(limitMs, () => late.abort());
  try {
    return await abortable(promise, late.signal);
  } catch (error) {
    if (!late.signal.aborted) throw error;
    throw new MillraceError('CLIENT_TIMED_OUT', `${what} took longer than ${limitMs} ms.`, { details: { limitMs } });
  } finally {
    timer.cancel();
  }
}
