/** A disk that counts: what is written and how long syncs take, for the metrics. Everything else passes through. */
import type { Clock } from '../base/clock.ts';
import { LatencyHistogram } from '../base/latency-histogram.ts';
import type { Disk, DiskFile } from '../journal/disk.ts';
import { DiskOver } from '../journal/disk-over.ts';

export class DiskCounters {
  writes = 0;
  writtenBytes = 0;
  failures = 0;
  readonly syncLatency = new LatencyHistogram();
}

export class MeteredDisk extends DiskOver {
  readonly counters = new DiskCounters();
  readonly #clock: Clock;

  constructor(disk: Disk, clock: Clock) {
    super(disk);
    this.#clock = clock;
  }

  override async open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    const file = await this.inner.open(path, mode);
    return mode === 'read' ? file : new MeteredFile(file, this.counters, this.#clock);
  }
}

class MeteredFile implements DiskFile {
  readonly syncNow: DiskFile['syncNow'];
  readonly #file: DiskFile;
  readonly #counters: DiskCounters;
  readonly #clock: Clock;

  constructor(file: DiskFile, counters: DiskCounters, clock: Clock) {
    this.#file = file;
    this.#counters = counters;
    this.#clock = clock;
    if (file.syncNow !== undefined) this.syncNow = () => this.#syncNow();
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#file.read(into, position);
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    try {
      await this.#file.write(pieces, position);
    } catch (error) {
      this.#counters.failures += 1;
      throw error;
    }
    this.#wrote(pieces);
  }

  writeSync(pieces: readonly Uint8Array[], position: number): void {
    try {
      this.#file.writeSync(pieces, position);
    } catch (error) {
      this.#counters.failures += 1;
      throw error;
    }
    this.#wrote(pieces);
  }

  async sync(): Promise<void> {
    const startedAt = this.#clock.monotonic();
    try {
      await this.#file.sync();
    } catch (error) {
      this.#counters.failures += 1;
      throw error;
    }
    this.#counters.syncLatency.addMs(this.#clock.monotonic() - startedAt);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#file.truncate(sizeBytes);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #syncNow(): void {
    const startedAt = this.#clock.monotonic();
    try {
      this.#file.syncNow?.();
    } catch (error) {
      this.#counters.failures += 1;
      throw error;
    }
    this.#counters.syncLatency.addMs(this.#clock.monotonic() - startedAt);
  }

  #wrote(pieces: readonly Uint8Array[]): void {
    this.#counters.writes += 1;
    for (const piece of pieces) this.#counters.writtenBytes += piece.length;
  }
}
