/** A few of the flips of bit-flips.ts, every day. */
import { testBitFlips } from './bit-flips.ts';

testBitFlips([1], 24);
testBitFlips([2], 24, { encrypted: true });
testBitFlips([6], 24, { compressed: true });
testBitFlips([7], 12, { encrypted: true, compressed: true });
