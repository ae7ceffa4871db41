/** A few of the crashes of compaction-crash.ts, every day. */
import { testCrashes } from './compaction-crash.ts';

testCrashes([1], 12);
