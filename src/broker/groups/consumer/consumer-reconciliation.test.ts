/**
 * Proves that a partition goes to its new member when the old one has given it up, and never before: docs/groups.md, "The new protocol", as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

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
