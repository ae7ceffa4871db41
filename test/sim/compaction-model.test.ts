/** A few seeds of compaction-model.ts, every day. */
import { testModel } from './compaction-model.ts';

testModel([1, 2, 3]);
