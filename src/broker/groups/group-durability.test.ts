/**
 * Proves that a classic group tells nobody what a crash could take back, and what a restart finds: the rows of docs/groups.md, as
 * transcripts on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { TWO_MEMBERS, transcript } from '../../../test/kit/group-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('durability', DEADLINE, () => {
  it('tells of a generation, an assignment and the last leave only when they are stored', () =>
    transcript(`
      manual
      A join version=3
      advance 50
      describe
        g: completing, generation 1, members A-1=
      flush
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
      describe
        g: completing, generation 1, members A-1=
      flush
        A synced: p0
      A leave
      flush
        A left: ok
    `));

  it('tells a static member of its new id only when it is stored', () =>
    transcript(`
      A join instance=a
      advance 50
        A joined: generation 1 as a-1, range, leader a-1, members a-1=t
      A sync A=p0
        A synced: p0
      manual
      B join instance=a
      flush
        B joined: generation 1 as a-2, range, leader a-2, members a-2=t, skip
      B sync
        B synced: p0
    `));

  it('does not answer a repeated join before the generation is stored', () =>
    transcript(`
      manual
      A join version=3
      advance 50
      A join id=A-1
      flush
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
    `));

  it('lets no session end while the journal is slow', () =>
    transcript(`
      manual
      A join version=3
      advance 50
      advance 60000
      flush
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
      advance 600000
      flush
        A synced: p0
    `));

  it('has everybody join again when a generation cannot be stored', () =>
    transcript(`
      A join version=3
      refuse JOURNAL_OVERLOADED
      advance 50
        A joined: BROKER_COORDINATOR_UNAVAILABLE as A-1
      describe
        g: preparing, generation 1, members A-1=
      accept
      A join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t
    `));

  it('has everybody join again when an assignment cannot be stored', () =>
    transcript(`
      manual
      A join version=3
      advance 50
      flush
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
      fail JOURNAL_SYNC_FAILED
        A synced: BROKER_COORDINATOR_UNAVAILABLE
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      A join
      flush
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t
    `));

  it('offers an empty generation again that an overloaded journal refused', () =>
    transcript(`
      A join version=3
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      refuse JOURNAL_OVERLOADED
      A leave
        A left: BROKER_COORDINATOR_UNAVAILABLE
      describe
        g: empty, generation 2, members none
      accept
      advance 1000
      crash
      describe
        g: empty, generation 2, members none
    `));

  it('keeps a sync in flight from touching a group that moved on', () =>
    transcript(`
      A join version=3
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      manual
      A sync A=p0
      B join version=3
        A synced: BROKER_REBALANCE_IN_PROGRESS
      flush
      describe
        g: preparing, generation 1, members A-1= B-2=
    `));
});

describe('restart', DEADLINE, () => {
  it('of a stable group disturbs nobody: same ids, same generation, same assignment', () =>
    transcript([
      TWO_MEMBERS,
      `
      crash
      A heartbeat
        A heartbeat: ok
      B heartbeat
        B heartbeat: ok
      B sync
        B synced: p1
      A commit t/0=5
        A committed: t/0:ok
      restart
      A heartbeat
        A heartbeat: ok
      describe
        g: stable, generation 1, members A-1=p0 B-2=p1
      advance 9000
      A heartbeat
        A heartbeat: ok
      advance 1000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      B heartbeat
        B heartbeat: BROKER_MEMBER_UNKNOWN
    `,
    ]));

  it('between join and sync lets the members go on', () =>
    transcript(`
      A join version=3
      B join version=3
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      crash
      B sync
      A join
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
      A sync A=p0 B=p1
        A synced: p0
        B synced: p1
    `));

  it('between join and sync throws out who never comes back', () =>
    transcript(`
      A join version=3 rebalance=8000
      B join version=3 rebalance=8000
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      crash
      B sync
      advance 8000
        B synced: BROKER_REBALANCE_IN_PROGRESS
      A heartbeat
        A heartbeat: BROKER_MEMBER_UNKNOWN
    `));

  it('takes back what was never told of: the generation is formed again', () =>
    transcript(`
      manual
      A join version=3
      advance 50
      crash
      describe
        g: no such group
      A join id=A-1
        A joined: BROKER_MEMBER_UNKNOWN as A-1
    `));

  it('answers everybody who waits when the coordinator stops', () =>
    transcript([
      TWO_MEMBERS,
      `
      A join
      stop
        A joined: BROKER_COORDINATOR_UNAVAILABLE as A-1
      A heartbeat
        A heartbeat: BROKER_COORDINATOR_UNAVAILABLE
      A sync
        A synced: BROKER_COORDINATOR_UNAVAILABLE
      A join
        A joined: BROKER_COORDINATOR_UNAVAILABLE as A-1
      A leave
        A left: BROKER_COORDINATOR_UNAVAILABLE
      A commit t/0=5
        A committed: t/0:BROKER_COORDINATOR_UNAVAILABLE
    `,
    ]));
});
