/** Hundreds of the crashes of compaction-crash.ts. */
import { testCrashes } from './compaction-crash.ts';

testCrashes([2, 3, 4, 5], 80);
