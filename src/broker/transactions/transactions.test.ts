/**
 * Proves the state machine of transactions, row by row of docs/transactions.md, as transcripts: commands and the exact
 * answers in order, on a manual clock and a journal whose durability the test decides.
 * What it cannot prove: that real clients read the answers as meant (test/clients/transactions.test.ts).
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

describe('a producer', DEADLINE, () => {
  it('gets the next epoch each time it begins anew, which fences the one before', () =>
    transcript(`
      P init
        P has 0/0
      Q init
        Q has 0/1
      P add t/0
        P added t/0: BROKER_PRODUCER_FENCED
      P offsets g
        P offsets: BROKER_PRODUCER_FENCED
      P stage g t/0=1
        P staged t/0: BROKER_PRODUCER_EPOCH_OLD
      P end commit
        P ended: BROKER_PRODUCER_FENCED
      P write t/0 a
        P wrote t/0: BROKER_PRODUCER_EPOCH_OLD
      Q add t/0
        Q added t/0: ok
      P write t/0 a
        P wrote t/0: BROKER_PRODUCER_EPOCH_OLD
      Q write t/0 b
        Q wrote t/0 at 0
      Q end commit
        Q ended: ok
      read t/0
        t/0: b@0, stable 2 of 2
    `));

  it('that comes anew has the open transaction aborted first, and asks again', () =>
    transcript(`
      P init
        P has 0/0
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      Q init
        Q init: BROKER_TRANSACTION_CONCURRENT
      describe
        tx: aborted, 0/1
      read t/0
        t/0: nothing, stable 2 of 2
      P end commit
        P ended: BROKER_PRODUCER_FENCED
      P write t/0 b
        P wrote t/0: BROKER_PRODUCER_EPOCH_OLD
      Q init
        Q has 0/2
      Q add t/0
        Q added t/0: ok
      Q write t/0 c
        Q wrote t/0 at 2
      Q end commit
        Q ended: ok
      read t/0
        t/0: c@2, stable 4 of 4
    `));

  it('goes on with the next epoch after an error, and hears it again when the answer was lost', () =>
    transcript(`
      P init
        P has 0/0
      P init as=0/0
        P has 0/1
      P init as=0/0
        P has 0/1
      P init as=0/1
        P has 0/2
      P init as=0/0
        P init: BROKER_PRODUCER_FENCED
      P init as=7/2
        P init: BROKER_PRODUCER_FENCED
      Q init
        Q has 0/3
      P init as=0/2
        P init: BROKER_PRODUCER_FENCED
      P init as=-1/5
        P init: BROKER_REQUEST_INVALID
    `));

  it('gets another id when its epochs are used up; the change is repeated to who lost the answer', () =>
    transcript(`
      P init
        P has 0/0
      exhaust tx
      P init as=0/32766
        P has 1/0
      P init as=0/32766
        P has 1/0
      P add t/0
        P added t/0: ok
      P write t/0 a
        P wrote t/0 at 0
      Q write t/0 b as=0/32766
        Q wrote t/0: BROKER_TRANSACTION_ID_UNKNOWN
      Q end commit as=0/32766
        Q ended: BROKER_TRANSACTION_ID_UNKNOWN
      P end commit
        P ended: ok
      exhaust tx
      P add t/0
        P added t/0: ok
      Q init
        Q init: BROKER_TRANSACTION_CONCURRENT
      describe
        tx: aborted, 1/32767
      Q init
        Q has 2/0
    `));

  it('is told what is wrong with its id and timeout', () =>
    transcript(
      `
      P init timeout=0
        P init: BROKER_TRANSACTION_TIMEOUT_INVALID
      P init timeout=900001
        P init: BROKER_TRANSACTION_TIMEOUT_INVALID
      P init id=far-too-long
        P init: BROKER_REQUEST_INVALID
      P end commit as=0/0
        P ended: BROKER_REQUEST_INVALID
      Q end commit as=0/0
        Q ended: BROKER_TRANSACTION_ID_UNKNOWN
      Q init timeout=900000
        Q has 0/0
      Q add t/0 as=5/0
        Q added t/0: BROKER_TRANSACTION_ID_UNKNOWN
      R init id=second
        R has 1/0
      S init id=third
        S init: BROKER_LIMIT_REACHED
    `,
      { transactionalIdMaxBytes: 8, transactionalIdMaxCount: 2 },
    ));
});

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
