/** A few of the crashes of sealing, compaction and tiering, every day, with everything encrypted at rest. */
import { encryptEverything } from '../kit/sealing-history.ts';
import { testCrashes as testCompaction } from './compaction-crash.ts';
import { testCrashes as testSealing } from './sealing-crash.ts';
import { testCrashes as testTiering } from './tier-crash.ts';

encryptEverything();
testSealing([11], 8);
testCompaction([12], 5);
testTiering([13], 5);
