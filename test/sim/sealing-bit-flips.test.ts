/** A few of the flips of sealing-bit-flips.ts, every day. */
import { testBitFlips } from './sealing-bit-flips.ts';

testBitFlips([1], 12);
