/**
 * Proves how members of the classic protocol come to be, and what generation they form: the rows of docs/groups.md, as transcripts (commands
 * and the exact answers in order), on a manual clock and a journal whose durability the test decides.
 * What it cannot prove, here and in the other transcripts: that real clients read the answers as meant (test/clients).
 */
import { describe, it } from 'node:test';
import { TWO_MEMBERS, transcript } from '../../../test/kit/group-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('joining', DEADLINE, () => {
  it('reserves an id for a client that understands it, then forms generation 1 after the initial delay', () =>
    transcript(`
      A join
        A joined: BROKER_MEMBER_ID_REQUIRED as A-1
      describe
        g: empty, generation 0, members none
      A join
      describe
        g: preparing, generation 0, members A-1=
      advance 49
      advance 1
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
        A synced: p0
      describe
        g: stable, generation 1, members A-1=p0
    `));

  it('admits a client before v4 without a reserved id', () =>
    transcript(`
      A join version=3
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
    `));

  it('forgets a reserved id after the session timeout, and the group with it', () =>
    transcript(`
      A join session=6000
        A joined: BROKER_MEMBER_ID_REQUIRED as A-1
      advance 6000
      describe
        g: no such group
      A join
        A joined: BROKER_MEMBER_UNKNOWN as A-1
    `));

  it('extends the initial delay while members come, at most to the rebalance timeout', () =>
    transcript(`
      A join version=3 rebalance=120
      advance 40
      B join version=3 rebalance=120
      advance 20
      C join version=3 rebalance=120
      advance 40
      D join version=3 rebalance=120
      advance 19
      advance 1
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t C-3=t D-4=t
        B joined: generation 1 as B-2, range, leader A-1
        C joined: generation 1 as C-3, range, leader A-1
        D joined: generation 1 as D-4, range, leader A-1
    `));

  it('starts at once with a delay of 0', () =>
    transcript(
      `
      A join version=3
      advance 0
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
    `,
      { groupInitialRebalanceDelayMs: 0 },
    ));

  it('rebalances completing and stable groups for a new member: others hear of it by heartbeat', () =>
    transcript([
      TWO_MEMBERS,
      `
      A heartbeat
        A heartbeat: ok
      C join version=3
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      A join
      B join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t B-2=t C-3=t
        B joined: generation 2 as B-2, range, leader A-1
        C joined: generation 2 as C-3, range, leader A-1
      B sync
      D join version=3
        B synced: BROKER_REBALANCE_IN_PROGRESS
      A sync
        A synced: BROKER_REBALANCE_IN_PROGRESS
      describe
        g: preparing, generation 2, members A-1= B-2= C-3= D-4=
    `,
    ]));

  it('answers a known member of an empty group, and an id nobody has, as unknown', () =>
    transcript(`
      A join id=ghost
        A joined: BROKER_MEMBER_UNKNOWN as ghost
      B join version=3
      advance 50
        B joined: generation 1 as B-1, range, leader B-1, members B-1=t
      B leave
        B left: ok
      describe
        g: empty, generation 2, members none
      B join
        B joined: BROKER_MEMBER_UNKNOWN as B-1
      C join id=ghost
        C joined: BROKER_MEMBER_UNKNOWN as ghost
    `));

  it('answers a repeated join in completing with the current generation, unless its metadata changed', () =>
    transcript(`
      A join version=3
      B join version=3
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      A join
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
      B join
        B joined: generation 1 as B-2, range, leader A-1
      B join topics=u
      A join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t B-2=u
        B joined: generation 2 as B-2, range, leader A-1
    `));

  it('in a stable group answers an unchanged follower, and rebalances for a changed one and for the leader', () =>
    transcript([
      TWO_MEMBERS,
      `
      B join
        B joined: generation 1 as B-2, range, leader A-1
      B sync
        B synced: p1
      A heartbeat
        A heartbeat: ok
      A join
      B heartbeat
        B heartbeat: BROKER_REBALANCE_IN_PROGRESS
      B join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 2 as B-2, range, leader A-1
      A sync A=p1 B=p0
        A synced: p1
      B sync
        B synced: p0
      B join topics=t,u
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
    `,
    ]));

  it('tells an earlier parked join of the same member to come again', () =>
    transcript(`
      A join version=3
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
        A synced: p0
      B join version=3
      B join id=B-2
        B joined: BROKER_REBALANCE_IN_PROGRESS as B-2
      A join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 2 as B-2, range, leader A-1
    `));

  it('chooses the protocol most members prefer among those all support', () =>
    transcript(`
      A join version=3 protocols=range,roundrobin,sticky
      B join version=3 protocols=roundrobin,range
      C join version=3 protocols=roundrobin,range,sticky
      advance 150
        A joined: generation 1 as A-1, roundrobin, leader A-1, members A-1=t B-2=t C-3=t
        B joined: generation 1 as B-2, roundrobin, leader A-1
        C joined: generation 1 as C-3, roundrobin, leader A-1
    `));

  it('refuses another protocol type, no common protocol, and no protocol at all', () =>
    transcript(`
      A join version=3 protocols=range,sticky
      B join version=3 type=connect
        B joined: BROKER_PROTOCOL_INCONSISTENT as nobody
      C join version=3 protocols=roundrobin
        C joined: BROKER_PROTOCOL_INCONSISTENT as nobody
      D join version=3 type=
        D joined: BROKER_PROTOCOL_INCONSISTENT as nobody
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A join protocols=roundrobin
        A joined: generation 2 as A-1, roundrobin, leader A-1, members A-1=t
    `));

  it('refuses group ids and session timeouts that are out of bounds', () =>
    transcript(
      `
      A join group=
        A joined: BROKER_GROUP_ID_INVALID as nobody
      A join group=123456789
        A joined: BROKER_GROUP_ID_INVALID as nobody
      A join session=5999
        A joined: BROKER_SESSION_TIMEOUT_INVALID as nobody
      A join session=1800001
        A joined: BROKER_SESSION_TIMEOUT_INVALID as nobody
      A join session=NaN
        A joined: BROKER_SESSION_TIMEOUT_INVALID as nobody
      list
    `,
      { groupMaxIdBytes: 8 },
    ));

  it('refuses members beyond the size of a group, reserved ids counted', () =>
    transcript(
      `
      A join version=3
      B join
        B joined: BROKER_MEMBER_ID_REQUIRED as B-2
      C join
        C joined: BROKER_GROUP_FULL as nobody
      C join instance=c
        C joined: BROKER_GROUP_FULL as nobody
      B join
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      C join version=3
        C joined: BROKER_GROUP_FULL as nobody
      A join
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
    `,
      { groupMaxSize: 2 },
    ));
});
