/** A few of the crashes of sealing, compaction and tiering, every day, with chunks compressed at rest. */
import { compressEverything } from '../kit/sealing-history.ts';
import { testCrashes as testCompaction } from './compaction-crash.ts';
import { testCrashes as testSealing } from './sealing-crash.ts';
import { testCrashes as testTiering } from './tier-crash.ts';

compressEverything();
testSealing([31], 8);
testCompaction([32], 5);
testTiering([33], 5);
