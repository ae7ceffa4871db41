/**
 * Proves what groups of the new protocol do with offsets, and how they and classic ones turn into each other: docs/groups.md, as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

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
