/** A signal may be aborted between two looks; a function, since the compiler thinks it cannot. */
export function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** Waits for something that calls back once, until a signal ends it. @returns whether it came. */
export async function waitFor(
  begin: (done: () => void) => () => void,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (isAborted(signal)) return false;
  return await new Promise<boolean>((resolve) => {
    const end = (came: boolean): void => {
      leave();
      signal?.removeEventListener('abort', onAbort);
      resolve(came);
    };
    const onAbort = (): void => end(false);
    signal?.addEventListener('abort', onAbort);
    const leave = begin(() => end(true));
  });
}
