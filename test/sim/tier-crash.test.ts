/** A few of the crashes of tier-crash.ts, every day. */
import { testCrashes, testStraightCrashes } from './tier-crash.ts';

testCrashes([1], 10);
testStraightCrashes([5], 10);
