/** A thousand of the flips of bit-flips.ts. */
import { testBitFlips } from './bit-flips.ts';

testBitFlips([3, 4], 340, false);
testBitFlips([5], 320, true);
