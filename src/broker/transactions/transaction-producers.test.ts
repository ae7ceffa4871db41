/**
 * Proves which producer a transactional id belongs to, and that older ones are fenced: docs/transactions.md, row by row, as
 * transcripts: commands and the exact answers in order, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { transcript } from '../../../test/kit/transaction-transcript.ts';

const DEADLINE = { timeout: 60_000 };

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
