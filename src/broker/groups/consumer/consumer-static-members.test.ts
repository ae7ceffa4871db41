/**
 * Proves static members of the new protocol, who go and come back: docs/groups.md, "The new protocol", as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

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
