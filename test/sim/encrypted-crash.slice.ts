/** More of the crashes of sealing, compaction and tiering with everything encrypted at rest. */
import { encryptEverything } from '../kit/sealing-history.ts';
import { testCrashes as testCompaction } from './compaction-crash.ts';
import { testCrashes as testSealing } from './sealing-crash.ts';
import { testStraightCrashes, testCrashes as testTiering } from './tier-crash.ts';

encryptEverything();
testSealing([21], 60);
testCompaction([23], 25);
testTiering([24], 25);
testStraightCrashes([25], 25);
