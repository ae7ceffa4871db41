/**
 * Proves what time does to transactions and to ids that nobody uses: docs/transactions.md, row by row, as
 * transcripts: commands and the exact answers in order, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { transcript } from '../../../test/kit/transaction-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('time', DEADLINE, () => {
  it('aborts a transaction whose producer is silent, under the next epoch', () =>
    transcript(`
      P init timeout=10000
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      advance 9999
      read t/0
        t/0: nothing, stable 0 of 1
      advance 1
      read t/0
        t/0: nothing, stable 2 of 2
      describe
        tx: aborted, 0/1
      P end commit
        P ended: BROKER_PRODUCER_FENCED
      P write t/0 b
        P wrote t/0: BROKER_PRODUCER_EPOCH_OLD
      P init
        P has 0/2
    `));

  it('counts from the first partition, over a restart, and not longer than the whole', () =>
    transcript(`
      P init timeout=10000
        P has 0/0
      advance 60000
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      advance 4000
      crash
      advance 5999
      describe
        tx: ongoing, 0/0, t/0
      advance 1
      describe
        tx: aborted, 0/1
    `));

  it('does not end the next transaction for the one before', () =>
    transcript(`
      P init timeout=10000
        P has 0/0
      P add t/0
        P added t/0: ok
      advance 9000
      P end commit
        P ended: ok
      P add t/0
        P added t/0: ok
      advance 9000
      describe
        tx: ongoing, 0/0, t/0
      advance 1000
      describe
        tx: aborted, 0/1
    `));

  it('tries again when the journal refuses', () =>
    transcript(`
      P init timeout=10000
        P has 0/0
      P add t/0
        P added t/0: ok
      refuse JOURNAL_OVERLOADED
      advance 10000
      P end commit
        P ended: BROKER_COORDINATOR_UNAVAILABLE
      P init
        P init: BROKER_COORDINATOR_UNAVAILABLE
      accept
      describe
        tx: ongoing, 0/0, t/0
      advance 1000
      describe
        tx: aborted, 0/1
    `));

  it('counts what is open, for how long, and how transactions ended', () =>
    transcript(`
      P init timeout=60000
        P has 0/0
      Q init id=other timeout=60000
        Q has 1/0
      status
        2 ids, 0 open, the oldest for 0 ms
        0 committed, 0 aborted, 0 timed out, 0 fenced, 0 forced
      P add t/0
        P added t/0: ok
      advance 1000
      Q add t/1
        Q added t/1: ok
      advance 500
      status
        2 ids, 2 open, the oldest for 1500 ms
        0 committed, 0 aborted, 0 timed out, 0 fenced, 0 forced
      P end commit
        P ended: ok
      Q end abort
        Q ended: ok
      P add t/0
        P added t/0: ok
      R init
        R init: BROKER_TRANSACTION_CONCURRENT
      Q add t/1
        Q added t/1: ok
      advance 60000
      status
        2 ids, 0 open, the oldest for 0 ms
        1 committed, 1 aborted, 1 timed out, 1 fenced, 0 forced
    `));

  it('forgets ids that nobody used for a week, and none with an open transaction', () =>
    transcript(
      `
      P init
        P has 0/0
      Q init id=busy timeout=900000
        Q has 1/0
      advance 604500000
      Q add t/0
        Q added t/0: ok
      list
        tx empty, busy ongoing
      advance 600000
      list
        busy ongoing
      P add t/0
        P added t/0: BROKER_TRANSACTION_ID_UNKNOWN
      P init
        P has 2/0
    `,
      { transactionalIdCheckIntervalMs: 60_000 },
    ));
});
