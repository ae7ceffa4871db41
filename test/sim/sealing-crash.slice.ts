/** Hundreds of the crashes of sealing-crash.ts. */
import { testCrashes } from './sealing-crash.ts';

testCrashes([2, 3, 4, 5], 80);
