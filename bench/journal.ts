/**
 * The journal alone, no network, beside what the same disk does without it, in alternating rounds of one run: machines
 * are shared, only ratios of one run say anything.
 *
 * Workloads:
 * - append: 1 MB batches, 8 in flight, degree written (`sync: never`) or durable (`sync: always`); raw: 1 MB writes from
 *   a few buffers, without sync, or with a sync of what was written while the sync before ran (the same cadence).
 * - commit: 1 KB batches, 1, 10 or 100 in flight, durable; raw: a loop of writeSync 1 KB + fdatasync.
 * - replay: reads the files of the append workload, and files of 1 KB commits, into an empty fold.
 *
 * Usage: node bench/journal.ts [directory] [secondsPerWorkload]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BufferPool } from '../src/base/buffer-pool.ts';
import { writeInt64 } from '../src/base/bytes.ts';
import { systemClock } from '../src/base/clock.ts';
import type { MillraceError } from '../src/base/errors.ts';
import type { DiskFile } from '../src/journal/disk.ts';
import type { CommitBuilder, Degree, Fold, SyncPolicy, Transaction } from '../src/journal/journal.ts';
import { LocalJournal } from '../src/journal/local-journal.ts';
import { NodeDisk } from '../src/journal/node-disk.ts';
import { forgetfulMemory, makeBatch } from '../test/kit/journal-fixtures.ts';
import { percentile } from './kit/measure.ts';

const base = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'millrace-bench-journal-'));
const secondsEach = Number(process.argv[3] ?? 2);
const disk = new NodeDisk();
const BIG_BYTES = 1_000_000;
const SMALL_BYTES = 1_024;
const ROUNDS = 4;
/** Files are kept small in number: what was measured is removed before the next round. */
const MAX_ROUND_BYTES = 1_500_000_000;

class CountingFold implements Fold {
  bytes = 0;
  batches(run: { bytes: Uint8Array }): void {
    this.bytes += run.bytes.length;
  }
  command(): void {}
  published(): void {}
}

interface Measure {
  bytes: number;
  count: number;
  elapsedMs: number;
  readonly latenciesMs: number[];
}

function emptyMeasure(): Measure {
  return { bytes: 0, count: 0, elapsedMs: 0, latenciesMs: [] };
}

function openJournal(directory: string, sync: SyncPolicy, fold: Fold = new CountingFold()): Promise<LocalJournal> {
  return LocalJournal.open({
    directory,
    disk,
    fold,
    clock: systemClock,
    pool: new BufferPool(64 * 1024 * 1024),
    memory: forgetfulMemory,
    observer: {},
    sync,
    random: Math.random,
  });
}

/** One caller that appends again as soon as its last append has settled. */
class Appender implements Transaction {
  readonly degree: Degree;
  readonly #journal: LocalJournal;
  readonly #batch: Uint8Array;
  readonly #lease: ReturnType<BufferPool['acquire']>;
  readonly #measure: Measure;
  readonly #offsets: { next: number };
  readonly #until: number;
  readonly #finished: (error: MillraceError | undefined) => void;
  #startedMs = 0;

  constructor(
    journal: LocalJournal,
    degree: Degree,
    batch: Uint8Array,
    measure: Measure,
    offsets: { next: number },
    until: number,
    finished: (error: MillraceError | undefined) => void,
  ) {
    this.#journal = journal;
    this.degree = degree;
    this.#lease = new BufferPool(0).acquire(batch.length);
    this.#lease.bytes.set(batch);
    this.#batch = this.#lease.bytes.subarray(0, batch.length);
    this.#measure = measure;
    this.#offsets = offsets;
    this.#until = until;
    this.#finished = finished;
  }

  append(): void {
    this.#startedMs = performance.now();
    this.#journal.transact(this);
  }

  build(commit: CommitBuilder): void {
    const offset = this.#offsets.next++;
    writeInt64(this.#batch, 0, offset);
    commit.batches(0, offset, 1, this.#batch, this.#lease);
  }

  settled(error: MillraceError | undefined): void {
    const now = performance.now();
    if (error !== undefined || now >= this.#until || this.#measure.bytes >= MAX_ROUND_BYTES) {
      this.#finished(error);
      return;
    }
    this.#measure.latenciesMs.push(now - this.#startedMs);
    this.#measure.bytes += this.#batch.length;
    this.#measure.count += 1;
    // As a socket would: the next request comes in a later turn.
    setImmediate(() => this.append());
  }
}

async function journalRound(
  measure: Measure,
  sync: SyncPolicy,
  degree: Degree,
  bytes: number,
  inFlight: number,
  directory: string,
): Promise<void> {
  const journal = await openJournal(directory, sync);
  const batch = makeBatch(0, 1, new Uint8Array(bytes - 61).fill(120));
  const round = emptyMeasure();
  const startMs = performance.now();
  const until = startMs + (secondsEach * 1000) / ROUNDS;
  const offsets = { next: 0 };
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      await new Promise<void>((resolve, reject) => {
        const finished = (error: MillraceError | undefined): void => (error === undefined ? resolve() : reject(error));
        new Appender(journal, degree, batch, round, offsets, until, finished).append();
      });
    }),
  );
  add(measure, round, performance.now() - startMs);
  await journal.close();
}

/** Writes with at most one sync running, each covering what was written before it. */
async function rawBigRound(measure: Measure, synced: boolean, path: string): Promise<void> {
  const file = await disk.open(path, 'create');
  const buffers = Array.from({ length: 8 }, () => Buffer.alloc(BIG_BYTES, 120));
  const round = emptyMeasure();
  const startMs = performance.now();
  const until = startMs + (secondsEach * 1000) / ROUNDS;
  let running: Promise<void> | undefined;
  for (let index = 0; performance.now() < until && round.bytes < MAX_ROUND_BYTES; index++) {
    await file.write([buffers[index % buffers.length] as Buffer], round.bytes);
    round.bytes += BIG_BYTES;
    if (!synced) continue;
    running ??= file.sync().finally(() => {
      running = undefined;
    });
    // The journal has 8 MB in flight: so has this.
    if (index % 8 === 7) await running;
  }
  await running;
  if (synced) await file.sync();
  add(measure, round, performance.now() - startMs);
  await file.close();
}

async function rawSmallRound(measure: Measure, path: string): Promise<void> {
  const file: DiskFile = await disk.open(path, 'create');
  const bytes = Buffer.alloc(SMALL_BYTES + 88, 120);
  const round = emptyMeasure();
  const startMs = performance.now();
  const until = startMs + (secondsEach * 1000) / ROUNDS;
  for (let at = 0; performance.now() < until; at += bytes.length) {
    const beganMs = performance.now();
    file.writeSync([bytes], at);
    await file.sync();
    round.latenciesMs.push(performance.now() - beganMs);
    round.bytes += SMALL_BYTES;
    round.count += 1;
  }
  add(measure, round, performance.now() - startMs);
  await file.close();
}

function add(measure: Measure, round: Measure, elapsedMs: number): void {
  measure.bytes += round.bytes;
  measure.count += round.count;
  measure.elapsedMs += elapsedMs;
  for (const latency of round.latenciesMs) measure.latenciesMs.push(latency);
}

async function replayRate(directory: string): Promise<{ mib: number; seconds: number; commits: number }> {
  const fold = new CountingFold();
  const startMs = performance.now();
  const journal = await openJournal(directory, 'never', fold);
  const seconds = (performance.now() - startMs) / 1000;
  await journal.close();
  return { mib: journal.recovery.replayedBytes / 1024 ** 2, seconds, commits: journal.recovery.replayedCommits };
}

function report(name: string, measure: Measure): void {
  const perSecond = 1000 / measure.elapsedMs;
  console.log(
    `${name.padEnd(34)} ${((measure.bytes * perSecond) / 1e6).toFixed(1).padStart(8)} MB/s` +
      ` ${(measure.count * perSecond).toFixed(0).padStart(8)} /s` +
      `  p50 ${(percentile(measure.latenciesMs, 0.5) * 1000).toFixed(0).padStart(6)} µs` +
      `  p99 ${(percentile(measure.latenciesMs, 0.99) * 1000).toFixed(0).padStart(6)} µs`,
  );
}

function rate(measure: Measure): number {
  return measure.bytes / measure.elapsedMs;
}

async function compareBig(sync: SyncPolicy, degree: Degree): Promise<void> {
  const journal = emptyMeasure();
  const raw = emptyMeasure();
  for (let round = 0; round < ROUNDS; round++) {
    const directory = join(base, `big-${sync}-${round}`);
    await journalRound(journal, sync, degree, BIG_BYTES, 8, directory);
    if (round === ROUNDS - 1) {
      const { mib, seconds } = await replayRate(directory);
      console.log(`replay of 1 MB batches ${(mib / 1024 / seconds).toFixed(2)} GiB/s (${mib.toFixed(0)} MiB)`);
    }
    await rm(directory, { recursive: true });
    await rawBigRound(raw, sync === 'always', `${directory}.raw`);
    await rm(`${directory}.raw`);
  }
  report(`journal, 1 MB, ${degree}`, journal);
  report(`raw, 1 MB, ${sync === 'always' ? 'synced' : 'page cache'}`, raw);
  console.log(`  ratio ${(rate(journal) / rate(raw)).toFixed(2)}`);
}

async function compareSmall(inFlight: number): Promise<void> {
  const journal = emptyMeasure();
  const raw = emptyMeasure();
  for (let round = 0; round < ROUNDS; round++) {
    const directory = join(base, `small-${inFlight}-${round}`);
    await journalRound(journal, 'always', 'durable', SMALL_BYTES, inFlight, directory);
    await rm(directory, { recursive: true });
    await rawSmallRound(raw, `${directory}.raw`);
    await rm(`${directory}.raw`);
  }
  report(`journal, 1 KB, durable, ${inFlight} in flight`, journal);
  report('raw, 1 KB, write + fdatasync', raw);
  const p50 = percentile(journal.latenciesMs, 0.5) / percentile(raw.latenciesMs, 0.5);
  console.log(`  ratio of p50 ${p50.toFixed(2)}, of rates ${(rate(journal) / rate(raw)).toFixed(2)}`);
}

async function replaySmall(): Promise<void> {
  for (const inFlight of [1, 100]) {
    const directory = join(base, `replay-${inFlight}`);
    for (let round = 0; round < ROUNDS; round++) {
      // Each round begins its offsets at 0 again: CountingFold does not mind.
      await journalRound(emptyMeasure(), 'never', 'written', SMALL_BYTES, inFlight, directory);
    }
    const { mib, seconds, commits } = await replayRate(directory);
    console.log(
      `replay of 1 KB batches ${(mib / 1024 / seconds).toFixed(2)} GiB/s` +
        ` (${mib.toFixed(0)} MiB, ${commits} commits, ${(commits / seconds / 1e6).toFixed(2)} M commits/s)`,
    );
    await rm(directory, { recursive: true });
  }
}

try {
  await compareBig('never', 'written');
  await compareBig('always', 'durable');
  for (const inFlight of [1, 10, 100]) await compareSmall(inFlight);
  await replaySmall();
} finally {
  await rm(base, { recursive: true });
}
