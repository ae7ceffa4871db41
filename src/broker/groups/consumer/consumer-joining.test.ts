/**
 * Proves how members of the new protocol join and which epoch they are at: the tables of docs/groups.md, "The new protocol", as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 * What it cannot show, here and in the other transcripts, is what clients do with the answers: test/clients has real ones.
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
