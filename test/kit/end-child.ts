import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Sends the signal, which must end it, and waits for that. Nothing where it has ended, or never began. */
export async function endChild(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}
