/**
 * Proves that a group of the new protocol tells nobody what a crash could take back, and what a restart finds: docs/groups.md, as
 * transcripts: commands and the exact answers, on a manual clock and a journal whose durability the test decides.
 */
import { describe, it } from 'node:test';
import { consumerTranscript } from '../../../../test/kit/consumer-transcript.ts';

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
