/** Worker threads whose work can wait give way to those that somebody waits for. */
import os from 'node:os';

/** A tenth of the processor time that a usual thread gets beside it; all that nobody else wants. */
const NICENESS = 10;

/** For the whole life of the calling thread: only an administrator may raise it again. Linux alone counts niceness by thread. */
export function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    os.setPriority(0, NICENESS);
  } catch {
    // A sandbox may refuse it: then it is a thread like others.
  }
}
