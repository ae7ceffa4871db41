/**
 * Proves the state machine of the classic protocol, row by row of docs/groups.md, as transcripts: commands and the exact
 * answers in order, on a manual clock and a journal whose durability the test decides.
 * What it cannot prove: that real clients read the answers as meant (test/clients).
 */
import { describe, it } from 'node:test';
import { transcript } from '../../../test/kit/group-transcript.ts';

const DEADLINE = { timeout: 60_000 };

/** A stable group of A (leader) and B in generation 1, which most transcripts begin with. */
const TWO_MEMBERS = `
  A join version=3
  B join version=3
  advance 100
    A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
    B joined: generation 1 as B-2, range, leader A-1
  B sync
  A sync A=p0 B=p1
    A synced: p0
    B synced: p1
`;

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
