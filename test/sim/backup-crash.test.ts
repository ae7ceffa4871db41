/** A few of the crashes of backup-crash.ts, every day. */
import { testCrashes } from './backup-crash.ts';

testCrashes([1], 25);
