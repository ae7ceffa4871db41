/** Hundreds of the flips of sealing-bit-flips.ts. */
import { testBitFlips } from './sealing-bit-flips.ts';

testBitFlips([2, 3], 150);
