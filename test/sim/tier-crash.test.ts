/** A few of the crashes of tier-crash.ts, every day. */
import { testCrashes } from './tier-crash.ts';

testCrashes([1], 10);
