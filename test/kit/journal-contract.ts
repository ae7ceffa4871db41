/**
 * What every Journal must do, whatever it stands on; run by each implementation with a factory of its own. Timing,
 * files and failures of the medium are not part of it: they have tests beside the implementation.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MillraceError } from '../../src/base/errors.ts';
import { type Fold, type Journal, transactOnce } from '../../src/journal/journal.ts';
import { appendBatch, RecordingFold, transact } from './journal-fixtures.ts';
import { SeededRandom } from './seeded-random.ts';

/** One journal's storage; `open` may be called again after the journal it gave is closed. */
export interface JournalHarness {
  open(fold: Fold): Promise<Journal>;
  dispose(): Promise<void>;
}

const TIMEOUT_MS = 20_000;

export function journalContract(name: string, createHarness: () => Promise<JournalHarness>): void {
  const contract = (title: string, run: (harness: JournalHarness) => Promise<void>): void => {
    test(title, { timeout: TIMEOUT_MS }, async () => {
      const harness = await createHarness();
      try {
        await run(harness);
      } finally {
        await harness.dispose();
      }
    });
  };

  describe(`Journal contract: ${name}`, () => {
    contract('the fold sees entries in order, and a replay shows the same', async (harness) => {
      const live = new RecordingFold();
      const journal = await harness.open(live);
      const random = new SeededRandom(1);
      const settled = [];
      for (let index = 0; index < 100; index++) {
        const build = appendBatch(live, random.below(4), 1 + random.below(3), random.bytes(random.below(2000)));
        settled.push(transact(journal, 'durable', build).promise);
        if (index % 7 === 0) {
          settled.push(transact(journal, 'durable', (commit) => commit.command(index, random.bytes(index))).promise);
        }
        if (random.chance(0.1)) await settled.at(-1);
      }
      for (const error of await Promise.all(settled)) assert.equal(error, undefined);
      await journal.close();
      const replayed = new RecordingFold();
      const again = await harness.open(replayed);
      assert.deepEqual(replayed.entries, live.entries);
      assert.deepEqual(replayed.runs, live.runs);
      assert.ok(replayed.publishedCommit >= (live.runs.at(-1)?.commit ?? 0));
      assert.equal(replayed.publishedCount, 1, 'a replay publishes once, at its end');
      await again.close();
    });

    contract('a durable transaction settles after its commit is published', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      let commit = 0;
      let publishedAtSettle = -1;
      const settlement = transact(
        journal,
        'durable',
        (builder) => {
          commit = builder.commit;
          appendBatch(fold, 0, 1, new Uint8Array(10))(builder);
        },
        () => {
          publishedAtSettle = fold.publishedCommit;
        },
      );
      assert.equal(settlement.outcome, undefined, 'settled inside transact');
      await settlement.promise;
      assert.ok(publishedAtSettle >= commit);
      assert.equal(journal.status().publishedCommit, fold.publishedCommit);
      assert.equal(journal.status().stagedBytes, 0);
      await journal.close();
    });

    contract('transactions settle in call order per degree, also those that stage nothing', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      const order: Record<string, number[]> = { admitted: [], written: [], durable: [] };
      const random = new SeededRandom(2);
      const waits = Array.from({ length: 300 }, (_, index) => {
        const degree = random.pick(['admitted', 'written', 'durable'] as const);
        const build = random.chance(0.3) ? () => {} : appendBatch(fold, 0, 1, random.bytes(random.below(300)));
        return transact(journal, degree, build, () => order[degree]?.push(index)).promise;
      });
      await Promise.all(waits);
      for (const indexes of Object.values(order))
        assert.deepEqual(
          indexes,
          indexes.toSorted((a, b) => a - b),
        );
      await journal.close();
    });

    contract('a transaction that stages nothing waits for what it could see', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      const events: string[] = [];
      const first = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(5)), () =>
        events.push('append'),
      );
      const second = transact(
        journal,
        'durable',
        () => {},
        () => events.push('read'),
      );
      await Promise.all([first.promise, second.promise]);
      assert.deepEqual(events, ['append', 'read']);
      await journal.close();
    });

    contract('a rejection stages nothing and harms nobody', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      const rejected = transactOnce(journal, () => {
        throw new RangeError('no such thing');
      });
      await assert.rejects(rejected, RangeError);
      const value = await transactOnce(journal, (commit) => {
        commit.command(1, Buffer.from('x'));
        return 42;
      });
      assert.equal(value, 42);
      assert.equal(fold.entries.length, 1);
      await journal.close();
    });

    contract('settled may transact again', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      for (const degree of ['admitted', 'written', 'durable'] as const) {
        await new Promise<void>((resolve, reject) => {
          let left = 50;
          const next = (error?: MillraceError): void => {
            if (error !== undefined) reject(error);
            else if (left-- === 0) resolve();
            else transact(journal, degree, appendBatch(fold, 0, 1, new Uint8Array(3)), next);
          };
          next();
        });
      }
      assert.equal(fold.ends.get(0), 150);
      await journal.close();
    });

    contract('close settles what was staged, then refuses', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      const waits = Array.from(
        { length: 20 },
        () => transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(1000))).promise,
      );
      const closing = journal.close();
      const late = transact(journal, 'durable', () => assert.fail('built after close'));
      assert.equal(late.outcome?.error?.code, 'JOURNAL_CLOSED');
      await closing;
      await journal.close();
      for (const error of await Promise.all(waits)) assert.equal(error, undefined);
      assert.equal(journal.status().state, 'closed');
      const replayed = new RecordingFold();
      await (await harness.open(replayed)).close();
      assert.equal(replayed.entries.length, 20);
    });

    contract('large and small runs keep their bytes', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      const random = new SeededRandom(3);
      for (const size of [0, 1, 7, 8, 9, 65_535, 65_536, 1_048_576, 3_000_001]) {
        const payload = new Uint8Array(size).fill(random.below(256));
        assert.equal(await transact(journal, 'durable', appendBatch(fold, 0, 1, payload)).promise, undefined);
      }
      await journal.close();
      const replayed = new RecordingFold();
      await (await harness.open(replayed)).close();
      assert.deepEqual(replayed.runs, fold.runs);
    });

    contract('an empty command and the largest one are kept, a larger one is refused', async (harness) => {
      const fold = new RecordingFold();
      const journal = await harness.open(fold);
      const limit = 16 * 1024 * 1024;
      await transactOnce(journal, (commit) => commit.command(0, new Uint8Array(0)));
      await transactOnce(journal, (commit) => commit.command(65_535, new Uint8Array(limit)));
      const refused = transactOnce(journal, (commit) => commit.command(1, new Uint8Array(limit + 1)));
      await assert.rejects(refused, { code: 'JOURNAL_COMMAND_TOO_LARGE' });
      await journal.close();
      const replayed = new RecordingFold();
      await (await harness.open(replayed)).close();
      assert.deepEqual(replayed.entries, fold.entries);
      assert.equal(replayed.entries.length, 2);
    });

    contract('the fold is told the same time live and in replay', async (harness) => {
      const live = new RecordingFold();
      const journal = await harness.open(live);
      await transact(journal, 'durable', appendBatch(live, 0, 1, new Uint8Array(1))).promise;
      await journal.close();
      const replayed = new RecordingFold();
      await (await harness.open(replayed)).close();
      assert.equal(replayed.runs[0]?.committedAt, live.runs[0]?.committedAt);
    });
  });
}
