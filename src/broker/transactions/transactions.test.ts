/**
 * Proves what a transaction shows and when, what may be written in it, and what ends it: docs/transactions.md, row by row, as
 * transcripts: commands and the exact answers in order, on a manual clock and a journal whose durability the test decides.
 * What it cannot prove, here and in the other transcripts: that real clients read the answers as meant (test/clients/transactions.test.ts).
 */
import { describe, it } from 'node:test';
import { transcript } from '../../../test/kit/transaction-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('a transaction', DEADLINE, () => {
  it('shows what it wrote everywhere, and the offsets of its groups, when it commits and not before', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0 u/1
        P added t/0: ok, u/1: ok
      P write t/0 a b
        P wrote t/0 at 0
      P write u/1 c
        P wrote u/1 at 0
      P offsets g
        P offsets: ok
      P stage g t/2=7
        P staged t/2: ok
      describe
        tx: ongoing, 0/0, t/0 u/1
      read t/0
        t/0: nothing, stable 0 of 2
      fetch g t/2
        g t/2: BROKER_OFFSETS_UNSTABLE
      fetch g t/1
        g t/1: -1
      P end commit
        P ended: ok
      read t/0
        t/0: a@0 b@1, stable 3 of 3
      read u/1
        u/1: c@0, stable 2 of 2
      fetch g t/2
        g t/2: 7
      describe
        tx: committed, 0/0
    `));

  it('leaves nothing to see when it aborts', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a b
        P wrote t/0 at 0
      P offsets g
        P offsets: ok
      P stage g t/2=7
        P staged t/2: ok
      P end abort
        P ended: ok
      read t/0
        t/0: nothing, stable 3 of 3
      fetch g t/2
        g t/2: -1
      P add t/0
        P added t/0: ok
      P write t/0 c
        P wrote t/0 at 3
      P end commit
        P ended: ok
      read t/0
        t/0: c@3, stable 5 of 5
    `));

  it('holds back what came after its first record, also of others', () =>
    transcript(`
      P init
        P has 0/0
      Q init id=other
        Q has 1/0
      P add t/0
        P added t/0: ok
      Q add t/0
        Q added t/0: ok
      P write t/0 p1
        P wrote t/0 at 0
      Q write t/0 q1
        Q wrote t/0 at 1
      P write t/0 p2
        P wrote t/0 at 2
      Q end commit
        Q ended: ok
      read t/0
        t/0: nothing, stable 0 of 4
      P end abort
        P ended: ok
      read t/0
        t/0: q1@1, stable 5 of 5
    `));

  it('is not ended twice: the same result again is success, the opposite is refused', () =>
    transcript(`
      P init
        P has 0/0
      P end commit
        P ended: BROKER_TRANSACTION_STATE_INVALID
      P add t/0
        P added t/0: ok
      P end commit
        P ended: ok
      P end commit
        P ended: ok
      P end abort
        P ended: BROKER_TRANSACTION_STATE_INVALID
      P offsets g
        P offsets: ok
      P end abort
        P ended: ok
      P end abort
        P ended: ok
      P end commit
        P ended: BROKER_TRANSACTION_STATE_INVALID
      read t/0
        t/0: nothing, stable 0 of 0
    `));

  it('ends durably: an end that a crash takes back was never seen', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      manual
      P end commit
      read t/0
        t/0: nothing, stable 0 of 1
      crash
      auto
      describe
        tx: ongoing, 0/0, t/0
      read t/0
        t/0: nothing, stable 0 of 1
      P end abort
        P ended: ok
      read t/0
        t/0: nothing, stable 2 of 2
    `));

  it('waits for the end of another that is staged but not durable', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      manual
      P end commit
      P end commit
      P end abort
      flush
        P ended: ok
        P ended: ok
        P ended: BROKER_TRANSACTION_STATE_INVALID
      read t/0
        t/0: a@0, stable 2 of 2
    `));

  it('goes on over a crash, with its offsets and partitions', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      P offsets g
        P offsets: ok
      P stage g t/1=3
        P staged t/1: ok
      crash
      fetch g t/1
        g t/1: BROKER_OFFSETS_UNSTABLE
      P write t/0 b
        P wrote t/0 at 1
      P end commit
        P ended: ok
      read t/0
        t/0: a@0 b@1, stable 3 of 3
      fetch g t/1
        g t/1: 3
      crash
      read t/0
        t/0: a@0 b@1, stable 3 of 3
      describe
        tx: committed, 0/0
    `));

  it('that lost its last partition to a power loss refuses what builds on it', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P offsets g
        P offsets: ok
      crash
      P write t/0 a
        P wrote t/0: BROKER_TRANSACTION_ABORTABLE
      P stage g t/1=3
        P staged t/1: BROKER_TRANSACTION_ABORTABLE
    `));

  it('ends what is left when a topic goes', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0 u/0
        P added t/0: ok, u/0: ok
      P write t/0 a
        P wrote t/0 at 0
      P write u/0 b
        P wrote u/0 at 0
      P offsets g
        P offsets: ok
      P stage g t/1=3 u/1=4
        P staged t/1: ok, u/1: ok
      delete-topic t
      describe
        tx: ongoing, 0/0, u/0
      P end commit
        P ended: ok
      read u/0
        u/0: b@0, stable 2 of 2
      fetch g u/1
        g u/1: 4
      fetch g t/1
        g t/1: -1
    `));
});

describe('what is written', DEADLINE, () => {
  it('must be of the ongoing transaction', () =>
    transcript(`
      P init
        P has 0/0
      P write t/0 a
        P wrote t/0: BROKER_TRANSACTION_ABORTABLE
      P add t/0
        P added t/0: ok
      P write t/1 a
        P wrote t/1: BROKER_TRANSACTION_ABORTABLE
      P write t/0 a
        P wrote t/0 at 0
      P idempotent t/0 b
        P wrote t/0: BROKER_TRANSACTION_STATE_INVALID
      P end commit
        P ended: ok
      P write t/0 b
        P wrote t/0: BROKER_TRANSACTION_ABORTABLE
      P idempotent t/0 b
        P wrote t/0 at 2
      Q write t/0 c as=44/0
        Q wrote t/0: BROKER_TRANSACTION_ID_UNKNOWN
      read t/0
        t/0: a@0 b@2, stable 3 of 3
    `));

  it('is stored once, also when it is repeated after the end', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a b
        P wrote t/0 at 0
      P repeat t/0
        P wrote t/0 at 0
      P end commit
        P ended: ok
      P repeat t/0
        P wrote t/0 at 0
      read t/0
        t/0: a@0 b@1, stable 3 of 3
    `));

  it('begins at sequence 0 after a fence, and goes on after an ordinary end', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a b
        P wrote t/0 at 0
      P end commit
        P ended: ok
      P add t/0
        P added t/0: ok
      P write t/0 c
        P wrote t/0 at 3
      Q init
        Q init: BROKER_TRANSACTION_CONCURRENT
      Q init
        Q has 0/2
      Q add t/0
        Q added t/0: ok
      Q write t/0 d
        Q wrote t/0 at 5
      Q write t/0 e
        Q wrote t/0 at 6
      Q end commit
        Q ended: ok
      read t/0
        t/0: a@0 b@1 d@5 e@6, stable 8 of 8
    `));
});

describe('partitions and groups', DEADLINE, () => {
  it('are added all or none, again without harm, and can be asked for', () =>
    transcript(
      `
      P init
        P has 0/0
      P add t/0 t/9 none/0
        P added t/0: BROKER_TRANSACTION_NOT_ATTEMPTED, t/9: BROKER_PARTITION_NOT_FOUND, none/0: BROKER_PARTITION_NOT_FOUND
      describe
        tx: empty, 0/0
      P verify t/0
        P added t/0: BROKER_TRANSACTION_ABORTABLE
      P add t/0 t/1
        P added t/0: ok, t/1: ok
      P add t/0
        P added t/0: ok
      P verify t/1 t/2
        P added t/1: ok, t/2: BROKER_TRANSACTION_ABORTABLE
      P add t/2 t/3
        P added t/2: BROKER_LIMIT_REACHED, t/3: BROKER_LIMIT_REACHED
      describe
        tx: ongoing, 0/0, t/0 t/1
    `,
      { transactionMaxPartitions: 3 },
    ));

  it('offsets need their group, and a member that is one', () =>
    transcript(`
      P init
        P has 0/0
      P stage g t/0=1
        P staged t/0: BROKER_TRANSACTION_ABORTABLE
      P offsets g
        P offsets: ok
      P stage g t/0=1 none/0=1
        P staged t/0: ok, none/0: BROKER_PARTITION_NOT_FOUND
      P stage g t/0=2 generation=3 member=m
        P staged t/0: BROKER_GENERATION_ILLEGAL
      P stage other t/0=2
        P staged t/0: BROKER_TRANSACTION_ABORTABLE
      P stage g t/0=4
        P staged t/0: ok
      P end commit
        P ended: ok
      fetch g t/0
        g t/0: 4
    `));
});

describe('an operator', DEADLINE, () => {
  it('aborts what is open, which fences the producer, and nothing else', () =>
    transcript(`
      force-abort
        aborted: BROKER_TRANSACTION_NOT_FOUND
      P init
        P has 0/0
      force-abort
        aborted: BROKER_TRANSACTION_STATE_INVALID
      P write2 t/0 a
        P wrote t/0 at 0
      force-abort
        aborted: ok
      read t/0
        t/0: nothing, stable 2 of 2
      P end2 abort
        P ended: BROKER_PRODUCER_FENCED
      P init as=0/0
        P init: BROKER_PRODUCER_FENCED
      P init
        P has 0/2
      refuse JOURNAL_OVERLOADED
      force-abort
        aborted: BROKER_COORDINATOR_UNAVAILABLE
    `));
});
