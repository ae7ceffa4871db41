/** A few of the flips of bit-flips.ts, every day. */
import { testBitFlips } from './bit-flips.ts';

testBitFlips([1], 24, false);
testBitFlips([2], 24, true);
