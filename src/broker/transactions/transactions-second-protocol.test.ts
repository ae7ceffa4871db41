/**
 * Proves the second protocol of transactions (KIP-890), in which each has its own epoch: docs/transactions.md, row by row, as
 * transcripts: commands and the exact answers in order, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { transcript } from '../../../test/kit/transaction-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('the second protocol', DEADLINE, () => {
  it('begins with what is written or staged, and goes on with the next epoch', () =>
    transcript(`
      P init
        P has 0/0
      P write2 t/0 a
        P wrote t/0 at 0
      describe
        tx: ongoing, 0/0, t/0
      P write2 u/1 b
        P wrote u/1 at 0
      P write2 t/0 c
        P wrote t/0 at 1
      P stage2 g t/1=5
        P staged t/1: ok
      describe
        tx: ongoing, 0/0, t/0 u/1
      read t/0
        t/0: nothing, stable 0 of 2
      P end2 commit
        P ended, has 0/1
      read t/0
        t/0: a@0 c@1, stable 3 of 3
      fetch g t/1
        g t/1: 5
      P stage2 g t/1=6
        P staged t/1: ok
      describe
        tx: ongoing, 0/1
      P write2 t/0 d
        P wrote t/0 at 3
      P end2 abort
        P ended, has 0/2
      read t/0
        t/0: a@0 c@1, stable 5 of 5
      fetch g t/1
        g t/1: 5
      P write2 t/0 e
        P wrote t/0 at 5
      P end2 commit
        P ended, has 0/3
      read t/0
        t/0: a@0 c@1 e@5, stable 7 of 7
    `));

  it('refuses what an ended transaction still had on its way, so that it enters no later one', () =>
    transcript(`
      P init
        P has 0/0
      P write2 t/0 a
        P wrote t/0 at 0
      P end2 abort
        P ended, has 0/1
      P write2 t/0 late as=0/0
        P wrote t/0: BROKER_PRODUCER_EPOCH_OLD
      P write2 t/1 late as=0/0
        P wrote t/1: BROKER_PRODUCER_EPOCH_OLD
      P stage2 g t/1=6 as=0/0
        P staged t/1: BROKER_PRODUCER_EPOCH_OLD
      describe
        tx: aborted, 0/1
      read t/0
        t/0: nothing, stable 2 of 2
    `));

  it('hears its end again when the answer was lost, and the next id too', () =>
    transcript(`
      P init
        P has 0/0
      P write2 t/0 a
        P wrote t/0 at 0
      P end2 commit
        P ended, has 0/1
      P end2 commit as=0/0
        P ended, has 0/1
      P end2 abort as=0/0
        P ended: BROKER_TRANSACTION_STATE_INVALID
      crash
      P end2 commit as=0/0
        P ended, has 0/1
      P end2 commit as=0/1
        P ended: BROKER_TRANSACTION_STATE_INVALID
      exhaust tx
      P write2 t/0 b
        P wrote t/0 at 2
      P end2 commit
        P ended, has 1/0
      P end2 commit as=0/32766
        P ended, has 1/0
      crash
      P end2 commit as=0/32766
        P ended, has 1/0
      P end2 commit as=0/32765
        P ended: BROKER_TRANSACTION_ID_UNKNOWN
      P init as=0/32766
        P has 1/0
      P write2 t/0 late as=0/32766
        P wrote t/0: BROKER_TRANSACTION_ID_UNKNOWN
      P write2 t/0 c
        P wrote t/0 at 4
      P end2 commit
        P ended, has 1/1
      P end2 commit as=0/0
        P ended: BROKER_TRANSACTION_ID_UNKNOWN
      read t/0
        t/0: a@0 b@2 c@4, stable 6 of 6
    `));

  it('aborts also what it did not begin, and commits nothing of that kind', () =>
    transcript(`
      P init
        P has 0/0
      P end2 commit
        P ended: BROKER_TRANSACTION_STATE_INVALID
      P end2 abort
        P ended, has 0/1
      P end2 abort as=0/0
        P ended, has 0/1
      P end2 abort
        P ended, has 0/2
      P write2 t/0 a
        P wrote t/0 at 0
      P end2 commit
        P ended, has 0/3
      P end2 abort
        P ended, has 0/4
      P end2 commit as=0/2
        P ended: BROKER_PRODUCER_FENCED
      exhaust tx
      P end2 abort
        P ended, has 1/0
      crash
      describe
        tx: aborted, 1/0
      read t/0
        t/0: a@0, stable 2 of 2
    `));

  it('goes on after a time-out, whose end it may hear of as its own abort; never as a commit', () =>
    transcript(`
      P init timeout=10000
        P has 0/0
      P write2 t/0 a
        P wrote t/0 at 0
      advance 10000
      describe
        tx: aborted, 0/1
      P write2 t/0 b
        P wrote t/0: BROKER_PRODUCER_EPOCH_OLD
      P end2 commit
        P ended: BROKER_TRANSACTION_STATE_INVALID
      P end2 abort
        P ended, has 0/1
      P write2 t/0 c
        P wrote t/0 at 2
      advance 10000
      P init as=0/1
        P has 0/2
      P write2 t/0 d
        P wrote t/0 at 4
      Q init
        Q init: BROKER_TRANSACTION_CONCURRENT
      P end2 abort
        P ended: BROKER_PRODUCER_FENCED
      P init as=0/2
        P init: BROKER_PRODUCER_FENCED
      Q init
        Q has 0/4
      read t/0
        t/0: nothing, stable 6 of 6
    `));

  it('gives nobody the epoch that is for fencing only', () =>
    transcript(`
      P init timeout=10000
        P has 0/0
      exhaust tx
      P write2 t/0 a
        P wrote t/0 at 0
      advance 10000
      describe
        tx: aborted, 0/32767
      P end2 abort
        P ended: BROKER_PRODUCER_FENCED
      P init as=0/32766
        P init: BROKER_PRODUCER_FENCED
      P init
        P has 1/0
    `));

  it('must write to a partition from sequence 0 on where nothing is known of it, and within the limits', () =>
    transcript(
      `
      P init
        P has 0/0
      P write2 t/0 a
        P wrote t/0 at 0
      P write2 t/1 b sequence=3
        P wrote t/1: BROKER_SEQUENCE_GAP
      P write2 t/1 b
        P wrote t/1 at 0
      P write2 t/2 c
        P wrote t/2: BROKER_LIMIT_REACHED
      P write t/2 c
        P wrote t/2: BROKER_TRANSACTION_ABORTABLE
      P write2 none/0 c
        P wrote none/0: BROKER_PARTITION_NOT_FOUND
      describe
        tx: ongoing, 0/0, t/0 t/1
    `,
      { transactionMaxPartitions: 2 },
    ));

  it('joins a partition and writes to it in one commit: a crash leaves both or none', () =>
    transcript(`
      P init
        P has 0/0
      manual
      P write2 t/0 a
      crash
      auto
      describe
        tx: empty, 0/0
      P write2 t/0 a
        P wrote t/0 at 0
      crash
      describe
        tx: ongoing, 0/0, t/0
      P end2 commit
        P ended, has 0/1
      read t/0
        t/0: a@0, stable 2 of 2
    `));
});
