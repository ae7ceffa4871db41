/** What a broker must offer to be measured on the same work as Millrace. Siblings: redis.ts, nats.ts, rabbitmq.ts. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { RawSocket } from '../../src/cli/bench/raw-socket.ts';

export type PeerName = 'redis' | 'nats' | 'rabbitmq';

/** Writes and reads one connection's protocol; lives in the load process. */
export interface PeerConnection {
  /** Introduces itself and makes the stream; resolves when publishes may begin. Bytes arrive through `receive`. */
  open(socket: RawSocket): Promise<void>;
  /** The publish of one whole batch, the same each time, in one buffer. */
  encodeBatch(records: number, value: Buffer): Buffer;
  /** @param bytes borrowed. @returns records newly acknowledged. @throws on an error answer. */
  receive(bytes: Buffer, end: number): number;
}

/** A server that was started for this run alone. */
export interface RunningPeer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
}

export interface Peer {
  readonly name: PeerName;
  readonly title: string;
  /** When an acknowledgement is sent, in words: not all sync. */
  readonly durability: string;
  /** Debian package and the program it brings. */
  readonly packageName: string;
  readonly program: string;
  start(directory: string): Promise<RunningPeer>;
  connect(index: number): PeerConnection;
}

/** @returns the program's path, or undefined where its package is not installed. */
export function findProgram(name: string): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/lib/rabbitmq/bin'];
  return places.map((place) => join(place, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
