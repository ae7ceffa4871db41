/**
 * The load on a peer, in a process of its own, with the loop that `millrace bench produce` has: a window of batches per
 * connection, the next sent when one is acknowledged in full. One argument: a `PeerLoad` as JSON; one `PeerResult` back.
 */
import { Histogram } from '../../src/cli/bench/histogram.ts';
import { connectRaw, type RawSocket } from '../../src/cli/bench/raw-socket.ts';
import { sleep } from '../kit/measure.ts';
import { PEERS } from './all.ts';
import type { PeerConnection, PeerName } from './peer.ts';

export interface PeerLoad {
  readonly peer: PeerName;
  readonly port: number;
  readonly records: number;
  readonly valueBytes: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly seconds: number;
  readonly warmup: number;
}

export interface PeerResult {
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly error?: string;
}

const OPEN_TIMEOUT_MS = 20_000;

/** Counts of one run, open only inside the measured window. */
class Tally {
  readonly latency = new Histogram();
  records = 0;
  open = false;
}

class LoadConnection {
  readonly #protocol: PeerConnection;
  readonly #load: PeerLoad;
  readonly #tally: Tally;
  readonly #sentAt: Float64Array;
  #socket: RawSocket | undefined;
  #frame = Buffer.alloc(0);
  #sent = 0;
  #acknowledgedRecords = 0;
  #acknowledged = 0;

  constructor(protocol: PeerConnection, load: PeerLoad, tally: Tally) {
    this.#protocol = protocol;
    this.#load = load;
    this.#tally = tally;
    this.#sentAt = new Float64Array(load.inFlight);
  }

  async open(fail: (error: Error) => void): Promise<void> {
    this.#socket = await connectRaw(
      { host: '127.0.0.1', port: this.#load.port },
      { onBytes: (bytes, end) => this.#receive(bytes, end), onFailure: fail },
    );
    await this.#protocol.open(this.#socket);
    this.#frame = Buffer.from(this.#protocol.encodeBatch(this.#load.records, Buffer.alloc(this.#load.valueBytes, 'm')));
  }

  pump(): void {
    while (this.#sent - this.#acknowledged < this.#load.inFlight) {
      this.#sentAt[this.#sent++ % this.#load.inFlight] = performance.now();
      this.#socket?.socket.write(this.#frame);
    }
  }

  #receive(bytes: Buffer, end: number): void {
    const records = this.#protocol.receive(bytes, end);
    if (records === 0) return;
    if (this.#tally.open) this.#tally.records += records;
    this.#acknowledgedRecords += records;
    const now = performance.now();
    while ((this.#acknowledged + 1) * this.#load.records <= this.#acknowledgedRecords) {
      const sentAt = this.#sentAt[this.#acknowledged++ % this.#load.inFlight] as number;
      if (this.#tally.open) this.#tally.latency.recordMillis(now - sentAt);
    }
    this.pump();
  }
}

async function run(load: PeerLoad): Promise<PeerResult> {
  const failed = Promise.withResolvers<never>();
  const tally = new Tally();
  const peer = PEERS[load.peer];
  const connections = Array.from(
    { length: load.connections },
    (_, i) => new LoadConnection(peer.connect(i), load, tally),
  );
  const timer = setTimeout(() => failed.reject(new Error(`${peer.title} did not answer the setup.`)), OPEN_TIMEOUT_MS);
  // One after the other: the first makes the stream, the others find it.
  for (const connection of connections) await Promise.race([connection.open(failed.reject), failed.promise]);
  clearTimeout(timer);
  for (const connection of connections) connection.pump();
  await Promise.race([sleep(load.warmup * 1000), failed.promise]);
  tally.open = true;
  const startedAt = performance.now();
  await Promise.race([sleep(load.seconds * 1000), failed.promise]);
  tally.open = false;
  const seconds = (performance.now() - startedAt) / 1000;
  const { latency } = tally;
  const [p50Ms, p99Ms] = [latency.quantileMicros(0.5) / 1000, latency.quantileMicros(0.99) / 1000];
  return { recordsPerSecond: tally.records / seconds, p50Ms, p99Ms };
}

if (import.meta.main) {
  const load = JSON.parse(process.argv[2] as string) as PeerLoad;
  const result = await run(load).catch((error: unknown) => ({
    ...{ recordsPerSecond: Number.NaN, p50Ms: Number.NaN, p99Ms: Number.NaN },
    error: error instanceof Error ? error.message : String(error),
  }));
  process.send?.(result, () => process.exit(0));
}
