/** A thousand of the flips of bit-flips.ts. */
import { testBitFlips } from './bit-flips.ts';

testBitFlips([3, 4], 260);
testBitFlips([5], 260, { encrypted: true });
testBitFlips([8], 260, { compressed: true });
