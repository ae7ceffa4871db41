/**
 * Proves what members of the new protocol get for the topics and patterns they name: docs/groups.md, "The new protocol", as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

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
