/**
 * Proves on a clock moved by hand: producers are not slowed down while there is room, then to about what leaves, never below the
 * least rate and never stopped; not at all while the store is away, or slowing down would not help; waits are spread evenly. In a
 * model of sealing and tiering with random rates that change under way, the disk stays within 1.2 times what is kept.
 * That a real broker does is shown in test/server/disk-bound.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import * as fc from '../../../test/kit/properties.ts';
import { maxRoundBytes, roundReserveBytes } from '../checkpoints/seal-amounts.ts';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';
import { Governor } from './governor.ts';
import { DISK_SHARE, journalFileBytes, localBytes } from './local-bound.ts';

const MB = 1_000_000;
const LOCAL = 1_000 * MB;
const LEAST = 10 * MB;

function setUp() {
  const clock = new ManualClock();
  const disk = { held: 0, written: 0, drained: 0, engaged: true };
  const governor = new Governor({
    clock,
    localBytes: LOCAL,
    minBytesPerSecond: LEAST,
    heldBytes: () => disk.held,
    writtenBytes: () => disk.written,
    drainedBytes: () => disk.drained,
    engaged: () => disk.engaged,
  });
  /** One producer for so many seconds, while so much leaves a second. @returns bytes a second that it wrote, and its longest wait. */
  const run = (seconds: number, drain: number, batch = MB / 10) => {
    const [end, before] = [clock.monotonic() + seconds * 1000, disk.written];
    let longestMs = 0;
    while (clock.monotonic() < end) {
      disk.written += batch;
      // A disk takes its time, too: 1 GB a second.
      const passMs = Math.max(governor.waitMs(), batch / MB);
      longestMs = Math.max(longestMs, passMs);
      disk.drained += (drain * passMs) / 1000;
      clock.advance(passMs);
    }
    return { rate: (disk.written - before) / seconds, longestMs };
  };
  return { clock, disk, governor, run };
}

test('while there is room nobody waits', () => {
  const { disk, governor, run } = setUp();
  disk.held = 0.74 * LOCAL;
  assert.equal(run(20, 100 * MB).longestMs, 0.1);
  assert.deepEqual(governor.counters, { throttles: 0, throttleMs: 0 });
  assert.equal(governor.rate, Number.POSITIVE_INFINITY);
});

test('beyond it producers get what leaves, less the fuller the disk is, evenly', () => {
  const { disk, run } = setUp();
  disk.held = 0.925 * LOCAL;
  run(20, 100 * MB);
  const middle = run(20, 100 * MB);
  assert.ok(Math.abs(middle.rate - 100 * MB) < 5 * MB, `${middle.rate}`);
  assert.ok(middle.longestMs < 20, `${middle.longestMs} ms`);
  disk.held = 1.05 * LOCAL;
  const fuller = run(20, 100 * MB);
  assert.ok(fuller.rate > 20 * MB && fuller.rate < 40 * MB, `${fuller.rate}`);
});

test('nobody is slowed down below the least rate, however full the disk is and however little leaves', () => {
  const { disk, run } = setUp();
  disk.held = 5 * LOCAL;
  const { rate, longestMs } = run(60, 0);
  assert.ok(Math.abs(rate - LEAST) < MB / 2, `${rate}`);
  assert.ok(longestMs < 50, `${longestMs} ms`);
});

test('while the store is away, or waiting would not help, nobody waits; what was owed is forgotten', () => {
  const { disk, clock, run, governor } = setUp();
  disk.held = 5 * LOCAL;
  disk.written += 100 * MB;
  assert.equal(governor.waitMs(), 5_000, 'ten seconds are owed: they are not waited for at once');
  disk.engaged = false;
  clock.advance(100);
  assert.equal(run(10, 0).longestMs, 0.1);
  disk.engaged = true;
  clock.advance(100);
  disk.written += MB;
  assert.equal(governor.waitMs(), 90, 'ten milliseconds are let through');
});

test('what left before a pause says nothing about what leaves now', () => {
  const { disk, clock, run, governor } = setUp();
  disk.held = 0.9 * LOCAL;
  run(20, 200 * MB);
  assert.ok(governor.drainRate > 150 * MB);
  clock.advance(60_000);
  governor.waitMs();
  assert.equal(governor.drainRate, 0);
});

test('the disk is short where half of it cannot leave, or where what comes would fill it within minutes', () => {
  const { disk, clock, governor, run } = setUp();
  assert.equal(governor.isTight, false);
  run(20, 0, MB / 1000);
  assert.equal(governor.isTight, true, '1 GB a second');
  disk.engaged = false;
  run(1, 0, MB / 1000);
  assert.equal(governor.isTight, true, 'also where nobody would be slowed down');
  clock.advance(60_000);
  assert.equal(governor.isTight, false, 'a minute later nothing comes');
  disk.held = 0.5 * LOCAL;
  assert.equal(governor.isTight, false);
  disk.engaged = true;
  clock.advance(100);
  assert.equal(governor.isTight, true);
  disk.held = 0;
  for (let second = 0; second < 20; second++) {
    disk.written += LOCAL / 200;
    clock.advance(1_000);
    governor.waitMs();
  }
  assert.equal(governor.isTight, false, 'what fills it in 200 seconds');
});

interface Phase {
  readonly seconds: number;
  /** Megabytes a second. */
  readonly produce: number;
  readonly seal: number;
  readonly tier: number;
}

/**
 * Journal files, rounds of sealing and uploads as the broker has them, in steps of time: files are closed, folded, sealed in rounds
 * and removed when the round is swapped in and folded; chunks wait for the store, and leave the disk once they are there.
 */
class Model {
  static readonly STEP_MS = 20;
  readonly clock = new ManualClock();
  readonly settings;
  readonly governor: Governor;
  highestBytes = 0;
  writtenBytes = 0;
  #activeBytes = 0;
  #closed: number[] = [];
  #round: { readonly files: number; readonly bytes: number; written: number } | undefined;
  /** Closed and not folded. */
  #foldBytes = 0;
  #waitingBytes = 0;
  #tieredBytes = 0;
  #drainedBytes = 0;
  readonly #readyAt: number[];

  constructor(tierLocalBytes: number, producers: number) {
    this.settings = { ...DEFAULT_BROKER_SETTINGS, tierStore: 'dir:///a', tierLocalBytes };
    this.#readyAt = Array.from({ length: producers }, () => 0);
    this.governor = new Governor({
      clock: this.clock,
      localBytes: localBytes(this.settings),
      minBytesPerSecond: MB,
      heldBytes: () => this.#heldBytes + roundReserveBytes(this.settings),
      writtenBytes: () => this.writtenBytes,
      drainedBytes: () => this.#drainedBytes,
      engaged: () => true,
    });
  }

  get #heldBytes(): number {
    return this.#activeBytes + this.#closed.reduce((sum, bytes) => sum + bytes, 0) + this.#waitingBytes;
  }

  run({ seconds, produce, seal, tier }: Phase, batch: number): void {
    const perStep = (rate: number): number => (rate * MB * Model.STEP_MS) / 1000;
    for (let step = 0; step < (seconds * 1000) / Model.STEP_MS; step++) {
      this.#produce(perStep(produce), batch);
      this.#seal(perStep(seal));
      const uploaded = Math.min(perStep(tier), this.#waitingBytes);
      this.#waitingBytes -= uploaded;
      this.#tieredBytes += uploaded;
      this.#drainedBytes += uploaded / 2;
      const disk = this.#heldBytes + (this.#round?.written ?? 0);
      this.#tieredBytes = Math.min(this.#tieredBytes, Math.max(0, this.settings.tierLocalBytes - disk));
      this.highestBytes = Math.max(this.highestBytes, disk + this.#tieredBytes);
      this.clock.advance(Model.STEP_MS);
    }
  }

  #produce(bytes: number, batch: number): void {
    let left = bytes;
    const now = this.clock.monotonic();
    for (let i = 0; i < this.#readyAt.length && left > 0; i++) {
      while (left > 0 && (this.#readyAt[i] as number) <= now) {
        left -= batch;
        this.writtenBytes += batch;
        this.#activeBytes += batch;
        this.#readyAt[i] = now + this.governor.waitMs();
      }
    }
    if (this.#activeBytes >= journalFileBytes(this.settings)) this.#roll();
  }

  #roll(): void {
    this.#closed.push(this.#activeBytes);
    this.#foldBytes += this.#activeBytes;
    this.#activeBytes = 0;
  }

  #seal(bytes: number): void {
    // Folding is quicker than sealing: a file is read once and not written.
    if (this.#round === undefined && this.#foldBytes > 0) this.#foldBytes -= Math.min(4 * bytes, this.#foldBytes);
    else if (this.#round === undefined) this.#begin();
    else if (this.#round.written < this.#round.bytes) {
      this.#round.written += bytes;
      this.#drainedBytes += bytes / 2;
    } else {
      this.#closed.splice(0, this.#round.files);
      this.#waitingBytes += this.#round.bytes;
      this.#round = undefined;
      this.#roll();
    }
  }

  #begin(): void {
    let total = 0;
    let files = 0;
    while (files < this.#closed.length && total < maxRoundBytes(this.settings))
      total += this.#closed[files++] as number;
    if (total >= maxRoundBytes(this.settings)) this.#round = { files, bytes: total, written: 0 };
  }
}

const RATE = fc.integer({ min: 20, max: 400 });
const PHASE = fc.record({
  seconds: fc.integer({ min: 5, max: 60 }),
  produce: fc.integer({ min: 10, max: 1_000 }),
  seal: RATE,
  tier: RATE,
});

test('the disk stays within its bound at any rates of producing, sealing and tiering', { timeout: 120_000 }, () => {
  const phases = fc.array(PHASE, { minLength: 1, maxLength: 6 });
  const gigabytes = fc.constantFrom(1, 2, 10);
  const batch = fc.constantFrom(1_000, 100_000, 1_000_000);
  const property = fc.property(
    phases,
    gigabytes,
    batch,
    fc.integer({ min: 1, max: 20 }),
    (all, size, bytes, producers) => {
      const model = new Model(size * 1_000 * MB, producers);
      for (const phase of all) model.run(phase, bytes);
      const share = model.highestBytes / model.settings.tierLocalBytes;
      assert.ok(share <= DISK_SHARE, `${share}`);
    },
  );
  fc.assert(property, { numRuns: 15 });
});

test('steady producers that are too fast get most of what sealing manages, without long waits', () => {
  const model = new Model(2_000 * MB, 10);
  const load = { produce: 400, seal: 150, tier: 200 };
  model.run({ seconds: 60, ...load }, 100_000);
  const before = model.writtenBytes;
  const { throttles, throttleMs } = model.governor.counters;
  model.run({ seconds: 60, ...load }, 100_000);
  const rate = (model.writtenBytes - before) / 60 / MB;
  // Of 150 sealing also folds: a fifth of its time.
  assert.ok(rate > 95 && rate < 150, `${rate} MB/s`);
  const meanMs = (model.governor.counters.throttleMs - throttleMs) / (model.governor.counters.throttles - throttles);
  assert.ok(meanMs < 30, `${meanMs} ms`);
});
