/**
 * Proves which silence ends a member of the new protocol, and when: docs/groups.md, "The new protocol", as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

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
