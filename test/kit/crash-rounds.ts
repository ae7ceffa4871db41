/**
 * Crashes at operations spread over a history on a fake disk, for tests that differ in the history and in what must hold after.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer crashes of each.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeDisk } from './fake-disk.ts';
import type { SeededRandom } from './seeded-random.ts';

/** @param crashes of each seed, unless the environment says otherwise. */
export function testCrashSeeds(
  defaultSeeds: readonly number[],
  crashes: number,
  crashesOf: (seed: number, crashes: number) => Promise<void>,
): void {
  const seed = process.env['MILLRACE_SEED'];
  for (const one of seed === undefined ? defaultSeeds : [Number(seed)]) {
    test(`crashes of seed ${one}`, { timeout: 600_000 }, () =>
      crashesOf(one, Number(process.env['MILLRACE_RUNS'] ?? crashes)),
    );
  }
}

export interface CrashRounds {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly crashes: number;
  /** Operations of the disk, the last exclusive. */
  readonly from: number;
  readonly end: number;
}

/** One crash in each of as many equal parts of the history. */
export async function crashAlong(rounds: CrashRounds, crashAt: (prefix: number) => Promise<void>): Promise<void> {
  const { seed, random, crashes, from, end } = rounds;
  for (let crash = 0; crash < crashes; crash++) {
    const prefix = from + Math.floor(((end - from) * (crash + random.next())) / crashes);
    try {
      await crashAt(prefix);
    } catch (error) {
      throw new Error(`MILLRACE_SEED=${seed}, crash ${crash} after ${prefix} of ${end} operations`, { cause: error });
    }
  }
}

/** A thread dies where it is terminated; the workers of this process first end what they are reading. */
export async function assertHandlesClose(disk: FakeDisk): Promise<void> {
  for (let turn = 0; turn < 1_000 && disk.openHandles > 0; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(disk.openHandles, 0);
}
