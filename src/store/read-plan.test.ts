/** Spans cover all pieces in order, within one file and the size limit; rounds keep the order and the memory limit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { type Piece, planRounds, planSpans } from './read-plan.ts';

const MIB = 1024 * 1024;
const gaps = fc.array(
  fc.record({
    gap: fc.oneof(fc.nat(1000), fc.nat(300_000)),
    sizeBytes: fc.oneof(fc.integer({ min: 61, max: 5000 }), fc.integer({ min: 61, max: 3 * MIB })),
    roll: fc.constantFrom(false, false, false, true),
  }),
  { maxLength: 60 },
);

test('every plan reads every piece once, in order, in reads that are worth it', () => {
  fc.assert(
    fc.property(gaps, (rows) => {
      let file = 1;
      let end = 64;
      const pieces: Piece[] = rows.map(({ gap, sizeBytes, roll }, i) => {
        if (roll) [file, end] = [file + 1, 64];
        const position = end + gap;
        end = position + sizeBytes;
        return { file, position, sizeBytes, baseOffset: i, endOffset: i + 1, maxTimestamp: 0 };
      });
      const spans = planSpans(pieces);
      assert.deepEqual(
        spans.flatMap((span) => span.pieces),
        pieces,
      );
      for (const span of spans) {
        const last = span.pieces.at(-1) as Piece;
        assert.equal(span.position, span.pieces[0]?.position);
        assert.equal(span.position + span.sizeBytes, last.position + last.sizeBytes);
        assert.ok(span.pieces.every((piece) => piece.file === span.file));
        assert.ok(span.sizeBytes <= 2 * MIB || span.pieces.length === 1);
        for (let i = 1; i < span.pieces.length; i++) {
          const [a, b] = [span.pieces[i - 1] as Piece, span.pieces[i] as Piece];
          assert.ok(b.position - a.position - a.sizeBytes <= 128 * 1024);
        }
      }
      const rounds = planRounds(spans);
      assert.deepEqual(rounds.flat(), spans);
      for (const round of rounds) {
        assert.ok(round.length <= 16);
        assert.ok(round.length === 1 || round.reduce((sum, span) => sum + span.sizeBytes, 0) <= 2 * MIB);
      }
    }),
  );
  assert.deepEqual([planSpans([]), planRounds([])], [[], []]);
});
