/** Hundreds of the crashes of tier-crash.ts. */
import { testCrashes } from './tier-crash.ts';

testCrashes([2, 3, 4], 80);
