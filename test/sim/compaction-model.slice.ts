/** Many seeds of compaction-model.ts. */
import { testModel } from './compaction-model.ts';

testModel(Array.from({ length: 30 }, (_, i) => 100 + i));
