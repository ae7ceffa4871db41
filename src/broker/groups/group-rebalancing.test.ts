/**
 * Proves rebalances of the classic protocol, from the first join to the last synced assignment, and heartbeats between them: the rows of
 * docs/groups.md, as transcripts on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { TWO_MEMBERS, transcript } from '../../../test/kit/group-transcript.ts';

const DEADLINE = { timeout: 60_000 };

describe('rebalancing', DEADLINE, () => {
  it('drops dynamic members that do not join again in time, and elects another leader', () =>
    transcript(`
      A join version=3 rebalance=30000
      B join version=3 rebalance=20000
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      A sync A=p0 B=p1
        A synced: p0
      B sync
        B synced: p1
      B join topics=u rebalance=20000
      advance 9000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      advance 9000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      advance 9000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      advance 2999
      advance 1
        B joined: generation 2 as B-2, range, leader B-2, members B-2=u
      A heartbeat
        A heartbeat: BROKER_MEMBER_UNKNOWN
    `));

  it('throws out members that never sync, and has the others join again', () =>
    transcript(`
      A join version=3 rebalance=20000
      B join version=3 rebalance=20000
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      B sync
      advance 9000
      A heartbeat
        A heartbeat: ok
      advance 9000
      A heartbeat
        A heartbeat: ok
      advance 2000
        B synced: BROKER_REBALANCE_IN_PROGRESS
      A heartbeat
        A heartbeat: BROKER_MEMBER_UNKNOWN
      B join
        B joined: generation 2 as B-2, range, leader B-2, members B-2=t
    `));

  it('throws out a follower that never syncs though the group is stable', () =>
    transcript(`
      A join version=3 rebalance=20000 session=60000
      B join version=3 rebalance=20000 session=60000
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      A sync A=p0 B=p1
        A synced: p0
      advance 20000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      B heartbeat
        B heartbeat: BROKER_MEMBER_UNKNOWN
    `));

  it('gives members that the leader leaves out an empty assignment, and ignores strangers', () =>
    transcript(`
      A join version=3
      B join version=3
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      A sync A=all Z=none
        A synced: all
      B sync
        B synced: nothing
    `));

  it('bounds the wait of new members, who cannot heartbeat', () =>
    transcript(
      `
      A join version=3 rebalance=600000
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
        A synced: p0
      B join version=3 rebalance=600000
      advance 5000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      advance 2000
        B joined: BROKER_MEMBER_UNKNOWN as nobody
      A join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t
    `,
      { groupNewMemberJoinTimeoutMs: 7_000 },
    ));

  it('does not disturb a cooperative client, which joins again right after its sync', () =>
    transcript([
      TWO_MEMBERS,
      `
      C join version=3
      A join
      B join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t B-2=t C-3=t
        B joined: generation 2 as B-2, range, leader A-1
        C joined: generation 2 as C-3, range, leader A-1
      C sync
      B sync
      A sync A=p0 B=less
        A synced: p0
        B synced: less
        C synced: nothing
      B join topics=t,revoked
      A join
      C join
        A joined: generation 3 as A-1, range, leader A-1, members A-1=t B-2=t,revoked C-3=t
        B joined: generation 3 as B-2, range, leader A-1
        C joined: generation 3 as C-3, range, leader A-1
      B sync
      C sync
      A sync A=p0 B=less C=rest
        A synced: p0
        B synced: less
        C synced: rest
    `,
    ]));
});

describe('sync and heartbeat', DEADLINE, () => {
  it('follow the table in every state', () =>
    transcript(`
      # Empty, and no group at all.
      A sync id=A-1
        A synced: BROKER_MEMBER_UNKNOWN
      A heartbeat id=A-1
        A heartbeat: BROKER_MEMBER_UNKNOWN
      A heartbeat group=
        A heartbeat: BROKER_GROUP_ID_INVALID
      A sync group=
        A synced: BROKER_GROUP_ID_INVALID
      # Preparing: an unknown member, then a known one whose session the heartbeat renews.
      A join version=3
      B sync id=ghost
        B synced: BROKER_MEMBER_UNKNOWN
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      # Completing.
      A heartbeat
        A heartbeat: ok
      A heartbeat generation=0
        A heartbeat: BROKER_GENERATION_ILLEGAL
      A sync generation=2
        A synced: BROKER_GENERATION_ILLEGAL
      A sync protocol=sticky
        A synced: BROKER_PROTOCOL_INCONSISTENT
      A sync type=connect
        A synced: BROKER_PROTOCOL_INCONSISTENT
      A sync type=consumer A=p0
        A synced: p0
      # Stable.
      A heartbeat
        A heartbeat: ok
      A sync
        A synced: p0
      B join version=3
      A sync
        A synced: BROKER_REBALANCE_IN_PROGRESS
      advance 9000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      advance 9000
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      A heartbeat generation=7
        A heartbeat: BROKER_GENERATION_ILLEGAL
    `));

  it('expire a silent member and rebalance for it', () =>
    transcript([
      TWO_MEMBERS,
      `
      advance 9999
      A heartbeat
        A heartbeat: ok
      advance 1
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      B heartbeat
        B heartbeat: BROKER_MEMBER_UNKNOWN
      A join
        A joined: generation 2 as A-1, range, leader A-1, members A-1=t
    `,
    ]));

  it('expire the last member: the group is empty', () =>
    transcript(`
      A join version=3
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
        A synced: p0
      advance 10000
      describe
        g: empty, generation 2, members none
    `));

  it('count the session of a member that waited for its sync from the answer', () =>
    transcript(`
      A join version=3
      B join version=3
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      B sync
      advance 9000
      A heartbeat
        A heartbeat: ok
      advance 9000
      A sync A=p0 B=p1
        A synced: p0
        B synced: p1
      advance 9999
      A heartbeat
        A heartbeat: ok
      advance 1
      A heartbeat
        A heartbeat: BROKER_REBALANCE_IN_PROGRESS
      B heartbeat
        B heartbeat: BROKER_MEMBER_UNKNOWN
    `));

  it('tell a second parked sync of the same member from the first', () =>
    transcript(`
      A join version=3
      B join version=3
      advance 100
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
        B joined: generation 1 as B-2, range, leader A-1
      B sync
      B sync
        B synced: BROKER_REBALANCE_IN_PROGRESS
      A sync A=p0 B=p1
        A synced: p0
        B synced: p1
    `));
});
