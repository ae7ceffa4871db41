/** More of the crashes of sealing, compaction and tiering with chunks compressed at rest, and some that are encrypted, too. */
import { compressEverything, encryptEverything } from '../kit/sealing-history.ts';
import { testCrashes as testCompaction } from './compaction-crash.ts';
import { testCrashes as testSealing } from './sealing-crash.ts';
import { testCrashes as testTiering } from './tier-crash.ts';

compressEverything();
testSealing([41], 40);
testCompaction([43], 20);
testTiering([44], 20);
encryptEverything();
testSealing([45], 15);
