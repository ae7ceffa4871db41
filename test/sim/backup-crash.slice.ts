/** Hundreds of the crashes of backup-crash.ts. */
import { testCrashes } from './backup-crash.ts';

testCrashes([2, 3], 100);
