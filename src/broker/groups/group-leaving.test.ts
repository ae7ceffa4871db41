/**
 * Proves how members of the classic protocol go, by word or in silence, and what stays of static ones: the rows of docs/groups.md, as
 * transcripts on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { TWO_MEMBERS, transcript } from '../../../test/kit/group-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('leaving', DEADLINE, () => {
  it('follows the table in every state', () =>
    transcript(`
      A leave id=A-1
        A left: BROKER_MEMBER_UNKNOWN
      A join
        A joined: BROKER_MEMBER_ID_REQUIRED as A-1
      A leave
        A left: ok
      describe
        g: no such group
      A forget
      # Preparing: its parked join is answered, the others go on.
      A join version=3
      B join version=3
      B leave id=B-3
        B joined: BROKER_MEMBER_UNKNOWN as nobody
        B left: ok
      advance 100
        A joined: generation 1 as A-2, range, leader A-2, members A-2=t
      # Completing.
      B join version=3
      A join
        A joined: generation 2 as A-2, range, leader A-2, members A-2=t B-4=t
        B joined: generation 2 as B-4, range, leader A-2
      A sync id=B-4
      A leave
        A synced: BROKER_REBALANCE_IN_PROGRESS
        A left: ok
      B join
        B joined: generation 3 as B-4, range, leader B-4, members B-4=t
      # Stable.
      B sync B=p0
        B synced: p0
      C leave id=ghost
        C left: BROKER_MEMBER_UNKNOWN
      B leave
        B left: ok
      describe
        g: empty, generation 4, members none
    `));

  it('lets the others finish a rebalance that only waited for the one that left', () =>
    transcript([
      TWO_MEMBERS,
      `
      A join
      B leave
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t
        B left: ok
    `,
    ]));

  it('gives back a reserved id without disturbing the group', () =>
    transcript([
      TWO_MEMBERS,
      `
      C join
        C joined: BROKER_MEMBER_ID_REQUIRED as C-3
      C leave
        C left: ok
      A heartbeat
        A heartbeat: ok
    `,
    ]));
});

describe('static members', DEADLINE, () => {
  const STATIC_PAIR = `
      A join instance=a
      B join instance=b
      advance 100
        A joined: generation 1 as a-1, range, leader a-1, members a-1=t b-2=t
        B joined: generation 1 as b-2, range, leader a-1
      B sync
      A sync A=p0 B=p1
        A synced: p0
        B synced: p1
`;

  it('come back under a new id without a rebalance, and the old id is fenced', () =>
    transcript([
      STATIC_PAIR,
      `
      B forget
      B join instance=b
        B joined: generation 1 as b-3, range, leader a-1
      B sync instance=b
        B synced: p1
      B heartbeat instance=b
        B heartbeat: ok
      Z heartbeat id=b-2 instance=b generation=1
        Z heartbeat: BROKER_MEMBER_FENCED
      Z heartbeat id=b-2 generation=1
        Z heartbeat: BROKER_MEMBER_UNKNOWN
      Z sync id=b-2 instance=b generation=1
        Z synced: BROKER_MEMBER_FENCED
      Z join id=b-2 instance=b
        Z joined: BROKER_MEMBER_FENCED as b-2
      Z commit t/0=1 id=b-2 instance=b generation=1
        Z committed: t/0:BROKER_MEMBER_FENCED
      Z leave id=b-2 instance=b
        Z left: BROKER_MEMBER_FENCED
      Z heartbeat id=x instance=nobody generation=1
        Z heartbeat: BROKER_MEMBER_UNKNOWN
      A heartbeat
        A heartbeat: ok
    `,
    ]));

  it('that lead skip the assignment (v9), or are not told that they lead (before)', () =>
    transcript([
      STATIC_PAIR,
      `
      A forget
      A join instance=a
        A joined: generation 1 as a-3, range, leader a-3, members b-2=t a-3=t, skip
      A sync instance=a
        A synced: p0
      A forget
      A join instance=a version=8
        A joined: generation 1 as a-4, range, leader a-3
      A sync instance=a
        A synced: p0
      B heartbeat
        B heartbeat: ok
    `,
    ]));

  it('rebalance when the choice of protocol changes, and in completing', () =>
    transcript(`
      A join instance=a protocols=range,sticky
      B join instance=b protocols=range,sticky
      advance 100
        A joined: generation 1 as a-1, range, leader a-1, members a-1=t b-2=t
        B joined: generation 1 as b-2, range, leader a-1
      B sync
      B forget
      B join instance=b protocols=range,sticky
        B synced: BROKER_MEMBER_FENCED
      A join instance=a
        A joined: generation 2 as a-1, range, leader a-1, members a-1=t b-3=t
        B joined: generation 2 as b-3, range, leader a-1
      A join instance=a protocols=range,sticky
      B join instance=b
        A joined: generation 3 as a-1, range, leader a-1, members a-1=t b-3=t
        B joined: generation 3 as b-3, range, leader a-1
    `));

  it('are fenced while their join waits', () =>
    transcript(`
      A join version=3
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
        A synced: p0
      B join instance=b
      C join instance=b
        B joined: BROKER_MEMBER_FENCED as b-2
      A join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t b-3=t
        C joined: generation 2 as b-3, range, leader A-1
    `));

  it('stay in the group when they miss a rebalance, until their session ends', () =>
    transcript(`
      A join instance=a rebalance=20000 session=30000
      B join version=3 rebalance=20000 session=30000
      advance 100
        A joined: generation 1 as a-1, range, leader a-1, members a-1=t B-2=t
        B joined: generation 1 as B-2, range, leader a-1
      A sync A=p0 B=p1
        A synced: p0
      B sync
        B synced: p1
      B join topics=u rebalance=20000 session=30000
      advance 20000
        B joined: generation 2 as B-2, range, leader B-2, members a-1=t B-2=u
      B sync A=p0 B=p1
        B synced: p1
      describe
        g: stable, generation 2, members a-1=p0 B-2=p1
      advance 20000
      B heartbeat
        B heartbeat: BROKER_REBALANCE_IN_PROGRESS
      A heartbeat
        A heartbeat: BROKER_MEMBER_UNKNOWN
    `));

  it('keep a rebalance waiting when none of them is there, and it ends with their sessions', () =>
    transcript(`
      A join instance=a rebalance=5000 session=20000
      B join version=3 rebalance=5000 session=20000
      advance 100
        A joined: generation 1 as a-1, range, leader a-1, members a-1=t B-2=t
        B joined: generation 1 as B-2, range, leader a-1
      A sync A=p0 B=p1
        A synced: p0
      B sync
        B synced: p1
      B leave
        B left: ok
      describe
        g: preparing, generation 1, members a-1=
      advance 19000
      describe
        g: preparing, generation 1, members a-1=
      advance 1000
      describe
        g: empty, generation 2, members none
    `));

  it('are removed by an operator by instance id', () =>
    transcript([
      STATIC_PAIR,
      `
      Z leave id= instance=b
        Z left: ok
      Z leave id= instance=b
        Z left: BROKER_MEMBER_UNKNOWN
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
    `,
    ]));
});
