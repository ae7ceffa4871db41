/** Hundreds of the crashes of tier-crash.ts. */
import { testCrashes, testStraightCrashes } from './tier-crash.ts';

testCrashes([2, 3, 4], 80);
testStraightCrashes([6, 7, 8], 40);
