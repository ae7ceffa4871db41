/**
 * Proves what the coordinator does around the state machine: committed offsets, administration, limits, retention, and
 * that nothing is told before it is durable. Transcripts as in group-joining.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupWorld, subscription, transcript } from '../../../test/kit/group-transcript.ts';
import type { JoinAnswer, JoinRequest } from './api.ts';

const DEADLINE = { timeout: 20_000 };

const ONE_MEMBER = `
  A join version=3
  advance 50
    A joined: generation 1 as A-1, range, leader A-1, members A-1=t
  A sync A=p0
    A synced: p0
`;

describe('offset commit', DEADLINE, () => {
  it('follows the table in every state', () =>
    transcript(`
      # No group: generation -1 makes one that only stores offsets, anything else is an old generation.
      A commit t/0=5 id=x generation=3
        A committed: t/0:BROKER_GENERATION_ILLEGAL
      A commit t/0=5 group=
        A committed: t/0:BROKER_GROUP_ID_INVALID
      A commit t/0=5 id= generation=-1
        A committed: t/0:ok
      describe
        g: empty, generation 0, members none
      # Preparing: the previous generation may still write, a stranger may not.
      A join version=3
      Z commit t/0=6 id= generation=-1
        Z committed: t/0:BROKER_MEMBER_UNKNOWN
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      # Completing.
      A commit t/0=6
        A committed: t/0:BROKER_REBALANCE_IN_PROGRESS
      Z commit t/0=6 id= generation=-1
        Z committed: t/0:BROKER_MEMBER_UNKNOWN
      A sync A=p0
        A synced: p0
      # Stable.
      A commit t/0=7
        A committed: t/0:ok
      A commit t/0=7 generation=0
        A committed: t/0:BROKER_GENERATION_ILLEGAL
      A commit t/0=7 generation=-1
        A committed: t/0:BROKER_GENERATION_ILLEGAL
      Z commit t/0=7 id=ghost generation=1
        Z committed: t/0:BROKER_MEMBER_UNKNOWN
      Z commit t/0=7 id= generation=-1
        Z committed: t/0:BROKER_MEMBER_UNKNOWN
      B join version=3
      A commit t/0=8
        A committed: t/0:ok
      A leave
        B joined: generation 2 as B-2, range, leader B-2, members B-2=t
        A left: ok
      B leave
        B left: ok
      # Empty again.
      B commit t/0=9
        B committed: t/0:BROKER_MEMBER_UNKNOWN
      Z commit t/0=9 id= generation=-1
        Z committed: t/0:ok
      fetch t/0
        fetched: t/0=9
    `));

  it('renews the session of the member that commits', () =>
    transcript([
      ONE_MEMBER,
      `
      advance 9000
      A commit t/0=1
        A committed: t/0:ok
      advance 9000
      A heartbeat
        A heartbeat: ok
    `,
    ]));

  it('judges each partition by itself', () =>
    transcript(
      `
      A commit t/0=1 t/9=1 missing/0=1 t/1=-1 t/2=1.5 t/3=NaN id= generation=-1
        A committed: t/0:ok t/9:BROKER_PARTITION_NOT_FOUND missing/0:BROKER_PARTITION_NOT_FOUND t/1:BROKER_REQUEST_INVALID t/2:BROKER_REQUEST_INVALID t/3:BROKER_REQUEST_INVALID
      A commit t/0=2 metadata=four id= generation=-1
        A committed: t/0:ok
      A commit t/0=3 metadata=fours id= generation=-1
        A committed: t/0:BROKER_OFFSET_METADATA_TOO_LARGE
      A commit t/0=3 metadata=äöü id= generation=-1
        A committed: t/0:BROKER_OFFSET_METADATA_TOO_LARGE
      fetch t/0 t/1 u/0
        fetched: t/0=2(four) t/1=-1 u/0=-1
      fetch *
        fetched: t/0=2(four)
    `,
      { offsetMetadataMaxBytes: 4 },
    ));

  it('is answered when it is durable, and so is a fetch that saw it', () =>
    transcript(`
      manual
      A commit t/0=1 id= generation=-1
      flush
        A committed: t/0:ok
      A commit t/0=1 id= generation=-1
      fetch t/0
      flush
        fetched: t/0=1
        A committed: t/0:ok
      fetch t/0
        fetched: t/0=1
      A commit t/0=2 id= generation=-1
      crash
      fetch t/0
        fetched: t/0=1
    `));

  it('says try again when the journal refuses or fails', () =>
    transcript(`
      refuse JOURNAL_OVERLOADED
      A commit t/0=1 id= generation=-1
        A committed: t/0:BROKER_COORDINATOR_UNAVAILABLE
      fetch t/0
        fetched: BROKER_COORDINATOR_UNAVAILABLE
      accept
      manual
      A commit t/0=1 id= generation=-1
      fail JOURNAL_SYNC_FAILED
        A committed: t/0:BROKER_COORDINATOR_UNAVAILABLE
    `));

  it('does not pass on to a topic made anew under the old name', () =>
    transcript(`
      A commit t/0=1 u/0=2 id= generation=-1
        A committed: t/0:ok u/0:ok
      delete-topic t
      fetch t/0 u/0
        fetched: t/0=-1 u/0=2
      delete-topic u
      describe
        g: no such group
    `));
});

describe('administration', DEADLINE, () => {
  it('lists and describes live, idle and offset-only groups', () =>
    transcript([
      ONE_MEMBER,
      `
      B commit t/0=1 group=offsets id= generation=-1
        B committed: t/0:ok
      C join group=reserved
        C joined: BROKER_MEMBER_ID_REQUIRED as C-2
      list
        g stable consumer
        offsets empty -
        reserved empty -
      describe offsets
        offsets: empty, generation 0, members none
      A leave
        A left: ok
      restart
      list
        g empty consumer
        offsets empty -
      describe
        g: empty, generation 2, members none
    `,
    ]));

  it('deletes groups without members only', () =>
    transcript([
      ONE_MEMBER,
      `
      A commit t/0=1
        A committed: t/0:ok
      delete
        g deleted: BROKER_GROUP_NOT_EMPTY
      delete ghost
        ghost deleted: BROKER_GROUP_NOT_FOUND
      A leave
        A left: ok
      delete
        g deleted: ok
      describe
        g: no such group
      fetch t/0
        fetched: t/0=-1
      crash
      list
    `,
    ]));

  it('refuses everything from a group while its deletion is on its way: it is dead', () =>
    transcript(`
      A commit t/0=1 id= generation=-1
        A committed: t/0:ok
      manual
      delete
      describe
        g: dead, generation 0, members none
      A join
        A joined: BROKER_COORDINATOR_UNAVAILABLE as nobody
      A sync id=x
        A synced: BROKER_COORDINATOR_UNAVAILABLE
      A heartbeat id=x
        A heartbeat: BROKER_COORDINATOR_UNAVAILABLE
      A commit t/0=2 id= generation=-1
        A committed: t/0:BROKER_COORDINATOR_UNAVAILABLE
      delete
        g deleted: BROKER_COORDINATOR_UNAVAILABLE
      delete-offsets t/0
        offsets deleted: BROKER_COORDINATOR_UNAVAILABLE
      flush
        g deleted: ok
      A join
        A joined: BROKER_MEMBER_ID_REQUIRED as A-1
    `));

  it('keeps a group whose deletion the journal refused', () =>
    transcript(`
      A commit t/0=1 id= generation=-1
        A committed: t/0:ok
      refuse JOURNAL_OVERLOADED
      delete
        g deleted: BROKER_COORDINATOR_UNAVAILABLE
      accept
      fetch t/0
        fetched: t/0=1
    `));

  it('deletes offsets of topics that no member subscribes to', () =>
    transcript([
      ONE_MEMBER,
      `
      delete-offsets t/0
        offsets deleted: t/0:BROKER_GROUP_SUBSCRIBED
      A commit u/0=1 u/1=2
        A committed: u/0:ok u/1:ok
      delete-offsets u/0 u/3 t/0
        offsets deleted: u/0:ok u/3:ok t/0:BROKER_GROUP_SUBSCRIBED
      fetch *
        fetched: u/1=2
      A leave
        A left: ok
      delete-offsets t/0 u/1
        offsets deleted: t/0:ok u/1:ok
      crash
      fetch *
        fetched: nothing
      describe
        g: empty, generation 2, members none
    `,
    ]));

  it('deletes no offsets of members it cannot read', () =>
    transcript(`
      delete-offsets t/0
        offsets deleted: BROKER_GROUP_NOT_FOUND
      A join version=3 type=connect protocols=opaque
      advance 50
        A joined: generation 1 as A-1, opaque, leader A-1, members A-1=opaque
      delete-offsets t/0
        offsets deleted: BROKER_GROUP_NOT_EMPTY
      A leave
        A left: ok
      A forget
      A join version=3 protocols=opaque
      advance 50
        A joined: generation 3 as A-2, opaque, leader A-2, members A-2=opaque
      delete-offsets t/0
        offsets deleted: t/0:BROKER_GROUP_SUBSCRIBED
    `));
});

describe('retention', DEADLINE, () => {
  const HOURS = { offsetsRetentionMs: 3_600_000, offsetsRetentionCheckIntervalMs: 600_000 };

  it('forgets offsets of an empty group, counted from the moment it became empty, then the group', () =>
    transcript(
      [
        `
        A join version=3 session=1800000
        advance 50
          A joined: generation 1 as A-1, range, leader A-1, members A-1=t
        A sync A=p0
          A synced: p0
        A commit t/0=1
          A committed: t/0:ok
        advance 1700000
        A heartbeat
          A heartbeat: ok
        advance 1700000
        A heartbeat
          A heartbeat: ok
        advance 1700000
        A leave
          A left: ok
        advance 3000000
        fetch t/0
          fetched: t/0=1
        advance 1200000
        fetch t/0
          fetched: t/0=-1
        list
        crash
        list
      `,
      ],
      HOURS,
    ));

  it('forgets offsets without members each at its time, or at the time the client asked for', () =>
    transcript(
      `
      A commit t/0=1 id= generation=-1
        A committed: t/0:ok
      advance 1800000
      A commit t/1=2 id= generation=-1
        A committed: t/1:ok
      A commit t/2=3 retention=60000 id= generation=-1
        A committed: t/2:ok
      advance 600001
      fetch *
        fetched: t/0=1 t/1=2
      advance 1800000
      fetch *
        fetched: t/1=2
      advance 1800000
      list
    `,
      HOURS,
    ));

  it('forgets what a stable group no longer subscribes to, and keeps what it does', () =>
    transcript(
      `
      A join version=3 session=1800000
      advance 50
        A joined: generation 1 as A-1, range, leader A-1, members A-1=t
      A sync A=p0
        A synced: p0
      A commit t/0=1 u/0=2
        A committed: t/0:ok u/0:ok
      advance 1800000
      A heartbeat
        A heartbeat: BROKER_MEMBER_UNKNOWN
      A forget
      A join version=3 session=1800000
      advance 50
        A joined: generation 3 as A-2, range, leader A-2, members A-2=t
      A sync A=p0
        A synced: p0
      advance 1200000
      A heartbeat
        A heartbeat: ok
      advance 1200000
      A heartbeat
        A heartbeat: ok
      fetch *
        fetched: t/0=1
    `,
      HOURS,
    ));

  it('deletes an empty group without offsets after a grace', () =>
    transcript(
      [
        ONE_MEMBER,
        `
        A leave
          A left: ok
        advance 599000
        list
          g empty consumer
        advance 601000
        list
      `,
      ],
      HOURS,
    ));

  it('tries again when the journal refuses', () =>
    transcript(
      `
      A commit t/0=1 id= generation=-1
        A committed: t/0:ok
      refuse JOURNAL_OVERLOADED
      advance 3600000
      accept
      fetch *
        fetched: t/0=1
      advance 600000
      fetch *
        fetched: nothing
    `,
      HOURS,
    ));
});

/** Joins and waits for the initial delay. */
function joinAlone(world: GroupWorld, change: Partial<JoinRequest>): JoinAnswer {
  let answer: JoinAnswer | undefined;
  const request: JoinRequest = {
    groupId: 'g',
    memberId: '',
    instanceId: null,
    clientId: 'c',
    clientHost: 'h',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription(['t']) }],
    requireKnownMemberId: false,
    supportsSkipAssignment: true,
    ...change,
  };
  world.coordinator.join(request, (given) => {
    answer = given;
  });
  world.clock.advance(100);
  return answer ?? assert.fail('the join was not answered');
}

describe('limits', DEADLINE, () => {
  it('bound what one member, one group and all groups may hold', () => {
    const big = [{ name: 'range', metadata: new Uint8Array(3_000) }];
    const world = new GroupWorld({ groupMaxMemberBytes: 4_000, groupMaxBytes: 5_000, groupMaxCount: 2 });
    const tooBig = [{ name: 'range', metadata: new Uint8Array(4_001) }];
    assert.equal(joinAlone(world, { protocols: tooBig }).error, 'BROKER_LIMIT_REACHED');
    assert.equal(joinAlone(world, { protocols: big }).error, undefined);
    assert.equal(joinAlone(world, { protocols: big }).error, 'BROKER_GROUP_FULL');
    assert.equal(joinAlone(world, { groupId: 'h' }).error, undefined);
    assert.equal(joinAlone(world, { groupId: 'i' }).error, 'BROKER_LIMIT_REACHED');
    assert.equal(joinAlone(world, { groupId: 'i', clientId: 'x'.repeat(5_000) }).error, 'BROKER_LIMIT_REACHED');
    assert.equal(world.coordinator.list().length, 2);
  });

  it('bound assignments: the leader is refused, the rebalance goes on without it', () => {
    const world = new GroupWorld({ groupMaxBytes: 5_000 });
    const joined = joinAlone(world, {});
    assert(joined.error === undefined);
    const sync = (sizeBytes: number): unknown => {
      let error: unknown = 'no answer';
      const { memberId, generation } = joined;
      const assignments = [{ memberId, assignment: new Uint8Array(sizeBytes) }];
      const request = { groupId: 'g', memberId, instanceId: null, generation, protocolType: null, protocol: null };
      world.coordinator.sync({ ...request, assignments }, (answer) => {
        error = answer.error;
      });
      return error;
    };
    assert.equal(sync(5_001), 'BROKER_LIMIT_REACHED');
    assert.equal(sync(5_000), undefined);
  });

  it('bound the memory of all: what is there may move on, nothing new is taken', async () => {
    const world = new GroupWorld({ groupMaxStateBytes: 1_000 });
    const commit = async (groupId: string, metadata: string | null): Promise<unknown> => {
      const partitions = [{ partition: 0, offset: 1, leaderEpoch: -1, metadata }];
      const who = { groupId, memberId: '', instanceId: null, generation: -1, retentionMs: -1 };
      const answer = await world.coordinator.commitOffsets({ ...who, topics: [{ topic: 't', partitions }] });
      return answer.topics[0]?.partitions[0]?.error;
    };
    assert.equal(await commit('a', null), undefined);
    assert.equal(await commit('b', null), undefined);
    assert(world.state.sizeBytes > 1_000);
    assert.equal(await commit('c', null), 'BROKER_LIMIT_REACHED');
    assert.equal(await commit('a', 'more'), 'BROKER_LIMIT_REACHED');
    assert.equal(await commit('a', null), undefined);
    assert.equal(joinAlone(world, {}).error, 'BROKER_LIMIT_REACHED');
  });

  it('take the bytes of a request by copy', () => {
    const world = new GroupWorld();
    const metadata = subscription(['t']);
    const joined = joinAlone(world, { protocols: [{ name: 'range', metadata }] });
    metadata.fill(0xff);
    assert(joined.error === undefined);
    assert.deepEqual(joined.members[0]?.metadata, new Uint8Array(subscription(['t'])));
  });

  it('keep member ids short and well formed, whatever clients call themselves', () => {
    const world = new GroupWorld();
    const joined = joinAlone(world, { clientId: `${'x'.repeat(199)}😀${'y'.repeat(30_000)}` });
    assert.equal(joined.memberId, `${'x'.repeat(199)}\ufffd-1`);
    assert.equal(joined.error, undefined);
  });

  it('survive a client with thousands of protocols and members that repeat them', { timeout: 20_000 }, () => {
    const world = new GroupWorld();
    const protocols = Array.from({ length: 10_000 }, (_, i) => ({
      name: `p${i % 5_000}`,
      metadata: new Uint8Array(0),
    }));
    assert.equal(joinAlone(world, { protocols }).error, undefined);
    const none = joinAlone(world, { protocols: [{ name: 'q', metadata: new Uint8Array(0) }] });
    assert.equal(none.error, 'BROKER_PROTOCOL_INCONSISTENT');
  });

  it('stop leaves no timer behind', () => {
    const world = new GroupWorld();
    joinAlone(world, {});
    world.coordinator.stop();
    world.coordinator.stop();
    assert.equal(world.clock.pendingTimers, 0);
  });
});
