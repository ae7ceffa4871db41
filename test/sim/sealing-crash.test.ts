/** A few of the crashes of sealing-crash.ts, every day. */
import { testCrashes } from './sealing-crash.ts';

testCrashes([1], 10);
