/**
 * Proves the state tables of docs/groups.md, "The new protocol", row by row, as transcripts: commands and the exact
 * answers, on a manual clock and a journal whose durability the test decides. What it cannot show is what clients do with
 * the answers: test/clients has real ones.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

describe('joining', () => {
  it('makes the group, and assigns at once what is free', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      describe
        g stable, epoch 1, target 1, uniform
          A-1 epoch 1 stable t/0-3
      A beat
        A: epoch 1
      list
        g consumer stable
    `));

  it('of a second member: the first gives up, says so, and then the second gets it', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      B enter topics=t
        B: epoch 2, none, soon
      describe
        g reconciling, epoch 2, target 2, uniform
          A-1 epoch 1 stable t/0-3, target t/0-1
          B-2 epoch 2 waiting none, target t/2-3
      B beat
        B: epoch 2, soon
      A beat
        A: epoch 1, t/0-1, soon
      A beat
        A: epoch 1, soon
      # Still owned: nobody else may have it.
      A owns t/0-3
        A: epoch 1, soon
      B beat
        B: epoch 2, soon
      A owns t/0-1
        A: epoch 2
      B beat
        B: epoch 2, t/2-3
      describe
        g stable, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-2 epoch 2 stable t/2-3
    `));

  it('a heartbeat before the group, and one of a stranger', () =>
    consumerTranscript(`
      topic t=2
      A beat epoch=1
        A: BROKER_GROUP_NOT_FOUND
      A leave
        A: BROKER_GROUP_NOT_FOUND
      list
      A enter topics=t
        A: epoch 1, t/0-1
      B beat epoch=1
        B: BROKER_MEMBER_UNKNOWN
      B leave
        B: BROKER_MEMBER_UNKNOWN
      B pause
        B: BROKER_REQUEST_INVALID
    `));

  it('anew under the same id with nothing: what it had is dealt out again, to it first', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-1, soon
      A enter topics=t
        A: epoch 2, t/0-1
      B beat
        B: epoch 2, t/2-3
      describe
        g stable, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-2 epoch 2 stable t/2-3
    `));

  it('with a client that has no id yet (version 0) is given one', () =>
    consumerTranscript(`
      topic t=1
      A enter id=none version=0
        A: epoch 1, t/0
      A beat
        A: epoch 1
      B enter id=none
        B: BROKER_REQUEST_INVALID
      B beat id=none epoch=1
        B: BROKER_REQUEST_INVALID
    `));

  it('is refused where the request makes no sense', () =>
    consumerTranscript(`
      topic t=1
      A enter topics=
        A: BROKER_REQUEST_INVALID
      A enter assignor=sticky
        A: BROKER_ASSIGNOR_UNSUPPORTED
      B enter instance=
        B: BROKER_REQUEST_INVALID
      A beat epoch=-3
        A: BROKER_REQUEST_INVALID
      A pause
        A: BROKER_REQUEST_INVALID
      A enter topics=t
        A: epoch 1, t/0
    `));

  // librdkafka sends such a one after an unsubscribe, and ends where it is refused.
  it('joins without saying how long it takes and what it owns', () =>
    consumerTranscript(`
      topic t=2
      A beat epoch=0 topics=t
        A: epoch 1, t/0-1
      B enter topics=t
        B: epoch 2, none, soon
      # Five minutes to give up what it lost.
      A beat
        A: epoch 1, t/0, soon
      advance 40000
      A beat
        A: epoch 1, soon
      B beat
        B: epoch 2, soon
      A leave
        A: epoch -1
      A beat epoch=0 topics=t
        A: epoch 4, t/0
    `));

  it('is refused when the group is full; known members go on', () =>
    consumerTranscript(
      `
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      B enter topics=t
        B: BROKER_GROUP_FULL
      A enter topics=t
        A: epoch 1, t/0-1
      A leave
        A: epoch -1
      B enter topics=t
        B: epoch 3, t/0-1
    `,
      { consumerMaxSize: 1 },
    ));
});

describe('epochs', () => {
  it('the one before is taken from a member that owns nothing it should not: the answer was lost', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-1, soon
      A owns t/0-1
        A: epoch 2
      A owns t/0-1 epoch=1
        A: epoch 2
      A beat epoch=1
        A: BROKER_MEMBER_EPOCH_FENCED
      A owns t/0-2 epoch=1
        A: BROKER_MEMBER_EPOCH_FENCED
      A beat epoch=3
        A: BROKER_MEMBER_EPOCH_FENCED
      A owns t/0-1 epoch=0
        A: BROKER_REQUEST_INVALID
      A full
        A: epoch 2, t/0-1
    `));

  it('a fenced member gives everything up and joins again under its id', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      A beat epoch=7
        A: BROKER_MEMBER_EPOCH_FENCED
      A enter topics=t
        A: epoch 1, t/0-1
      describe
        g stable, epoch 1, target 1, uniform
          A-1 epoch 1 stable t/0-1
    `));
});

describe('reconciliation', () => {
  it('a member that does not say what it owns is waited for', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-1, soon
      A full
        A: epoch 2, t/0-1
      B beat
        B: epoch 2, t/2-3
      A owns
        A: epoch 2
      B beat
        B: epoch 2
      describe
        g stable, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-2 epoch 2 stable t/2-3
    `));

  it('a target that comes back while a member revokes is assigned again', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0, soon
      B leave
        B: epoch -1
      A beat
        A: epoch 1, soon
      A obeys
        A: epoch 3, t/0-1
      describe
        g stable, epoch 3, target 3, uniform
          A-1 epoch 3 stable t/0-1
    `));

  it('a target that moves on while a member revokes: the next epoch, and more to revoke', () =>
    consumerTranscript(`
      topic t=6
      A enter topics=t
        A: epoch 1, t/0-5
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-2, soon
      C enter topics=t
        C: epoch 3, none, soon
      A owns t/0-2
        A: epoch 2, t/0-1, soon
      describe
        g reconciling, epoch 3, target 3, uniform
          A-1 epoch 2 revoking t/0-1, revoking t/2
          B-2 epoch 2 waiting none, target t/3-4
          C-3 epoch 3 waiting none, target t/2,5
      A owns t/0-1
        A: epoch 3
      B beat
        B: epoch 3, t/3-4
      C beat
        C: epoch 3, t/2,5
      describe
        g stable, epoch 3, target 3, uniform
          A-1 epoch 3 stable t/0-1
          B-2 epoch 3 stable t/3-4
          C-3 epoch 3 stable t/2,5
    `));

  it('a member that waits gets what is free, piece by piece', () =>
    consumerTranscript(`
      topic t=6
      A enter topics=t
        A: epoch 1, t/0-5
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-2, soon
      A owns t/0-2
        A: epoch 2
      B beat
        B: epoch 2, t/3-5
      B obeys
        B: epoch 2
      C enter topics=t
        C: epoch 3, none, soon
      A beat
        A: epoch 2, t/0-1, soon
      A owns t/0-1
        A: epoch 3
      C beat
        C: epoch 3, t/2, soon
      B beat
        B: epoch 2, t/3-4, soon
      B obeys
        B: epoch 3
      C beat
        C: epoch 3, t/2,5
      describe
        g stable, epoch 3, target 3, uniform
          A-1 epoch 3 stable t/0-1
          B-2 epoch 3 stable t/3-4
          C-3 epoch 3 stable t/2,5
    `));
});

describe('subscriptions', () => {
  it('change the group epoch; saying the same again does not', () =>
    consumerTranscript(`
      topic t=2
      topic u=2
      A enter topics=t
        A: epoch 1, t/0-1
      A subscribe topics=t
        A: epoch 1
      A subscribe topics=t,u
        A: epoch 2, t/0-1 u/0-1
      A subscribe topics=u,t
        A: epoch 2
      A subscribe topics=u
        A: epoch 2, u/0-1, soon
      A obeys
        A: epoch 3
      describe
        g stable, epoch 3, target 3, uniform
          A-1 epoch 3 stable u/0-1
    `));

  it('follow topics that are created, grow, and are deleted', () =>
    consumerTranscript(`
      A enter topics=t,u
        A: epoch 1, none
      topic t=2
      A beat
        A: epoch 2, t/0-1
      topic other=9
      A beat
        A: epoch 2
      topic t=3
      A beat
        A: epoch 3, t/0-2
      topic t=0
      A beat
        A: epoch 3, none, soon
      A owns
        A: epoch 4
      describe
        g stable, epoch 4, target 4, uniform
          A-1 epoch 4 stable none
    `));

  it('by pattern follow topics that match', () =>
    consumerTranscript(`
      topic shop.a=1
      topic shop.b=1
      topic other=1
      A enter regex=shop[.].*
        A: epoch 1, shop.a/0 shop.b/0
      topic shop.c=2
      A beat
        A: epoch 2, shop.a/0 shop.b/0 shop.c/0-1
      topic shop.a=0
      A beat
        A: epoch 2, shop.b/0 shop.c/0-1, soon
      A obeys
        A: epoch 3
      A subscribe regex=none topics=other
        A: epoch 3, none, soon
      A obeys
        A: epoch 4, other/0
      describe
        g stable, epoch 4, target 4, uniform
          A-1 epoch 4 stable other/0
    `));

  it('a pattern that cannot be decided is refused, and changes nothing', () =>
    consumerTranscript(`
      topic t=1
      A enter regex=(a
        A: BROKER_TOPIC_REGEX_INVALID
      A enter regex=(?!a)b
        A: BROKER_TOPIC_REGEX_INVALID
      list
      A enter regex=t
        A: epoch 1, t/0
      A subscribe regex=(?=a)
        A: BROKER_TOPIC_REGEX_INVALID
      A beat
        A: epoch 1
    `));

  it('the assignor most members name makes the targets', () =>
    consumerTranscript(`
      topic t=2
      topic u=2
      A enter topics=t,u assignor=range
        A: epoch 1, t/0-1 u/0-1
      describe
        g stable, epoch 1, target 1, range
          A-1 epoch 1 stable t/0-1 u/0-1
      B enter topics=t,u assignor=range
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0 u/0, soon
      A obeys
        A: epoch 2
      B beat
        B: epoch 2, t/1 u/1
      C enter topics=t,u assignor=uniform
        C: epoch 3, none
      describe
        g reconciling, epoch 3, target 3, range
          A-1 epoch 2 stable t/0 u/0
          B-2 epoch 2 stable t/1 u/1
          C-3 epoch 3 stable none
    `));
});

describe('static members', () => {
  it('leave for a while and come back under another id to what they had; nobody else notices', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t instance=one
        A: epoch 1, t/0-3
      B enter topics=t instance=two
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-1, soon
      A obeys
        A: epoch 2
      B beat
        B: epoch 2, t/2-3
      B pause
        B: epoch -2
      A beat
        A: epoch 2
      describe
        g reconciling, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-2 epoch -2 stable t/2-3
      B enter id=new topics=t instance=two
        B: epoch 2, t/2-3
      A beat
        A: epoch 2
      describe
        g stable, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-3 epoch 2 stable t/2-3
      B beat id=B-2
        B: BROKER_MEMBER_FENCED
    `));

  it('an instance id that somebody holds is not released to another', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t instance=one
        A: epoch 1, t/0-1
      B enter topics=t instance=one
        B: BROKER_INSTANCE_UNRELEASED
      B beat epoch=1
        B: BROKER_MEMBER_FENCED
      B leave
        B: BROKER_MEMBER_FENCED
      A leave
        A: epoch -1
      B enter topics=t
        B: epoch 3, t/0-1
    `));

  it('that do not come back are removed when their session ends', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t instance=one
        A: epoch 1, t/0-1
      A pause
        A: epoch -2
      A beat
        A: BROKER_MEMBER_EPOCH_FENCED
      advance 44999
      describe
        g reconciling, epoch 1, target 1, uniform
          A-1 epoch -2 stable t/0-1
      advance 1
      describe
        g empty, epoch 2, target 1, uniform
    `));

  it('that left for good leave their place', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t instance=one
        A: epoch 1, t/0-1
      A leave
        A: epoch -1
      describe
        g empty, epoch 2, target 1, uniform
    `));

  it('are removed by operators through LeaveGroup', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t instance=one
        A: epoch 1, t/0-1
      remove two
        removed: BROKER_MEMBER_UNKNOWN
      remove one
        removed: ok
      A beat
        A: BROKER_MEMBER_UNKNOWN
      describe
        g empty, epoch 2, target 1, uniform
    `));
});

describe('timers', () => {
  it('a session ends when nothing is heard for the broker’s session timeout', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      B enter topics=t
        B: epoch 2, none, soon
      advance 30000
      B beat
        B: epoch 2, soon
      advance 15000
      describe
        g assigning, epoch 3, target 2, uniform
          B-2 epoch 2 waiting none, target t/1
      B beat
        B: epoch 3, t/0-1
      describe
        g stable, epoch 3, target 3, uniform
          B-2 epoch 3 stable t/0-1
      A beat
        A: BROKER_MEMBER_UNKNOWN
    `));

  it('a member that does not revoke in its rebalance timeout is removed', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t timeout=2000
        A: epoch 1, t/0-1
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0, soon
      advance 1999
      A beat
        A: epoch 1, soon
      advance 1
      A beat
        A: BROKER_MEMBER_UNKNOWN
      B beat
        B: epoch 3, t/0-1
      describe
        g stable, epoch 3, target 3, uniform
          B-2 epoch 3 stable t/0-1
    `));

  it('revoking in time ends that timer', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t timeout=2000
        A: epoch 1, t/0-1
      B enter topics=t
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0, soon
      A obeys
        A: epoch 2
      advance 10000
      A beat
        A: epoch 2
      describe
        g reconciling, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0
          B-2 epoch 2 waiting none, target t/1
    `));

  it('the interval grows with the members of all groups, up to its setting, and shrinks with them', () =>
    consumerTranscript(
      `
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      # Three members at two heartbeats a second in all.
      B enter topics=nothing
        B: epoch 2, none
      C enter topics=nothing
        C: epoch 3, none
      A beat
        A: epoch 3, every 1500 ms
      D enter topics=nothing
        D: epoch 4, none, every 1500 ms
      E enter topics=nothing
        E: epoch 5, none, every 2000 ms
      F enter topics=nothing
        F: epoch 6, none, every 2200 ms
      B leave
        B: epoch -1
      C leave
        C: epoch -1
      D leave
        D: epoch -1
      E leave
        E: epoch -1
      A beat
        A: epoch 10
    `,
      { consumerHeartbeatsPerSecond: 2, consumerHeartbeatIntervalMs: 2_200 },
    ));
});

describe('durability', () => {
  it('nothing is told before it is stored', () =>
    consumerTranscript(`
      topic t=2
      manual
      A enter topics=t
      flush
        A: epoch 1, t/0-1
      A beat
        A: epoch 1
      B enter topics=t
      A beat epoch=1
      flush
        B: epoch 2, none, soon
        A: epoch 1, t/0, soon
      A leave
      flush
        A: epoch -1
    `));

  it('a heartbeat that changes nothing waits for what it saw, and for nothing else', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      refuse JOURNAL_STOPPED
      A beat
        A: epoch 1
      accept
      manual
      B enter topics=t
      A full
      fail JOURNAL_SYNC_FAILED
        B: BROKER_COORDINATOR_UNAVAILABLE
        A: BROKER_COORDINATOR_UNAVAILABLE
      refuse JOURNAL_STOPPED
      # B's change may or may not be kept: nothing is told on its ground.
      A beat
        A: BROKER_COORDINATOR_UNAVAILABLE
    `));

  it('a crash keeps what was told: epochs, assignments, what is being revoked', () =>
    consumerTranscript(`
      topic t=4
      A enter topics=t
        A: epoch 1, t/0-3
      B enter topics=t instance=two
        B: epoch 2, none, soon
      A beat
        A: epoch 1, t/0-1, soon
      crash
      describe
        g reconciling, epoch 2, target 2, uniform
          A-1 epoch 1 revoking t/0-1, revoking t/2-3
          B-2 epoch 2 waiting none, target t/2-3
      A beat
        A: epoch 1, soon
      A obeys
        A: epoch 2
      B beat
        B: epoch 2, t/2-3
      restart
      describe
        g stable, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-2 epoch 2 stable t/2-3
      A beat
        A: epoch 2
      B beat
        B: epoch 2
      B pause
        B: epoch -2
      restart
      describe
        g reconciling, epoch 2, target 2, uniform
          A-1 epoch 2 stable t/0-1
          B-2 epoch -2 stable t/2-3
      B enter id=new topics=t instance=two
        B: epoch 2, t/2-3
    `));

  it('a crash takes back what was not told', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      manual
      B enter topics=t
      crash
      describe
        g stable, epoch 1, target 1, uniform
          A-1 epoch 1 stable t/0-1
      auto
      A beat
        A: epoch 1
      B enter topics=t
        B: epoch 2, none, soon
    `));

  it('sessions count anew after a restart', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      advance 40000
      restart
      advance 44999
      A beat
        A: epoch 1
      advance 45000
      describe
        g empty, epoch 2, target 1, uniform
    `));

  it('a journal that refuses: try again, nothing changed', () =>
    consumerTranscript(`
      topic t=2
      refuse JOURNAL_OVERLOADED
      A enter topics=t
        A: BROKER_COORDINATOR_UNAVAILABLE
      accept
      list
      A enter topics=t
        A: epoch 1, t/0-1
      refuse JOURNAL_OVERLOADED
      # Nothing to store: no journal is asked.
      A beat
        A: epoch 1
      advance 45000
      describe
        g stable, epoch 1, target 1, uniform
          A-1 epoch 1 stable t/0-1
      accept
      advance 1000
      describe
        g empty, epoch 2, target 1, uniform
    `));
});

describe('offsets', () => {
  it('are taken from members at their epoch, and from nobody while there are members', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      A commit t/0=5
        A committed: ok
      A commit t/0=6 version=8
        A committed: WIRE_UNSUPPORTED_VERSION
      A commit t/0=6 epoch=0
        A committed: BROKER_MEMBER_EPOCH_STALE
      A commit t/0=6 epoch=-1
        A committed: BROKER_MEMBER_EPOCH_STALE
      B commit t/0=6 epoch=1
        B committed: BROKER_MEMBER_UNKNOWN
      A fetch t/0
        A fetched: 5
      A fetch t/0 epoch=0
        A fetched: BROKER_MEMBER_EPOCH_STALE
      B fetch t/0 epoch=1
        B fetched: BROKER_MEMBER_UNKNOWN
      B fetch t/0 as=nobody
        B fetched: 5
      delete-offsets t/0
        offsets deleted: BROKER_GROUP_SUBSCRIBED
      delete-offsets u/0
        offsets deleted: ok
      A leave
        A: epoch -1
      B commit t/0=7 epoch=-1
        B committed: ok
      B fetch t/0 as=nobody
        B fetched: 7
      delete-offsets t/0
        offsets deleted: ok
      B fetch t/0 as=nobody
        B fetched: -1
    `));
});

describe('types of groups', () => {
  it('a classic group with members does not change; without, it does, and no epoch is used twice', () =>
    consumerTranscript(`
      topic t=2
      C classic
      advance 50
        C joined: generation 1
      A enter topics=t
        A: BROKER_GROUP_NOT_FOUND
      list
        g classic completing
      advance 10000
      list
        g classic empty
      A enter topics=t
        A: epoch 3, t/0-1
      list
        g consumer stable
      describe
        g stable, epoch 3, target 3, uniform
          A-2 epoch 3 stable t/0-1
      C classic
        C joined: BROKER_PROTOCOL_INCONSISTENT
      A leave
        A: epoch -1
      C classic
      advance 50
        C joined: generation 5
      list
        g classic completing
    `));

  it('deletion: not with members', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      delete
        deleted: BROKER_GROUP_NOT_EMPTY
      A leave
        A: epoch -1
      delete
        deleted: ok
      list
      A beat
        A: BROKER_GROUP_NOT_FOUND
    `));

  it('a group without members and offsets is forgotten after a check of retention, one with offsets after their time', () =>
    consumerTranscript(
      `
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      A commit t/0=5
        A committed: ok
      A leave
        A: epoch -1
      advance 600000
      list
        g consumer empty
      advance 3600000
      list
    `,
      { offsetsRetentionMs: 3_600_000 },
    ));

  it('offsets of topics that nobody is subscribed to any more expire', () =>
    consumerTranscript(
      `
      topic t=2
      topic u=2
      A enter topics=t,u
        A: epoch 1, t/0-1 u/0-1
      A commit t/0=5
        A committed: ok
      A commit u/0=5
        A committed: ok
      A subscribe topics=t
        A: epoch 1, t/0-1, soon
      A obeys
        A: epoch 2
      advance 601000
      A fetch t/0
        A fetched: 5
      A enter topics=t
        A: epoch 2, t/0-1
      A fetch t/0
        A fetched: 5
      A fetch u/0
        A fetched: -1
    `,
      { offsetsRetentionMs: 600_000, consumerSessionTimeoutMs: 3_600_000 },
    ));

  it('a broker that stops answers so', () =>
    consumerTranscript(`
      topic t=2
      A enter topics=t
        A: epoch 1, t/0-1
      stop
      A beat
        A: BROKER_COORDINATOR_UNAVAILABLE
    `));
});
