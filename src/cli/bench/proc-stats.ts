/**
 * What the system knows about a local broker: CPU time and memory from Linux /proc. Elsewhere, and for processes of
 * other users, everything here answers undefined.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks a second in /proc/<pid>/stat; Linux fixes USER_HZ at 100 for user space. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  /** User and system time of all threads since the process began. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** Highest resident size since the process began. */
  readonly peakRssBytes: number;
}

export function readUsage(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name stands in brackets and may hold blanks; fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return {
      cpuSeconds: ticks / TICKS_PER_SECOND,
      rssBytes: kilobytes(status, 'VmRSS'),
      peakRssBytes: kilobytes(status, 'VmHWM'),
    };
  } catch {
    return undefined;
  }
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** @returns the process that listens on the TCP port of this machine, if it can be seen. */
export function findListener(port: number): number | undefined {
  try {
    const sockets = listeningSockets(port);
    if (sockets.size === 0) return undefined;
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .find((pid) => holdsSocket(pid, sockets));
  } catch {
    return undefined;
  }
}

/** Inode links, as /proc/<pid>/fd shows them, of sockets in state LISTEN (0A). */
function listeningSockets(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const found = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readOptional(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${hexPort}`) === true && fields[3] === '0A') found.add(`socket:[${fields[9]}]`);
    }
  }
  return found;
}

function holdsSocket(pid: number, sockets: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`)));
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return false;
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
