/**
 * `millrace/process`: stream processors, written once, run on any back end.
 * Guide: docs/process.md.
 */
export { type Batch, type BatchStepOptions, batch } from './batch.ts';
export {
  type DeadLetterTarget,
  ERROR_ATTEMPTS_HEADER,
  ERROR_HEADER,
  ERROR_STEP_HEADER,
} from './dead-letters.ts';
export { type FromOptions, from } from './from.ts';
export { type FuseOptions, fuse } from './fuse.ts';
export { type InWorkersOptions, inWorkers, type WorkerCallInfo, type WorkerFunction } from './in-workers.ts';
export type { Item, Origin, OriginPlace } from './item.ts';
export { type ExactlyOnceOptions, Job, type JobOptions } from './job.ts';
export { type JoinOptions, join, leftJoin } from './join.ts';
export { type Call, filter, flatMap, map, rekey, restamp, tap } from './map.ts';
export { metricsText, type PipelineMetrics, type StepMetrics } from './metrics.ts';
export {
  type IntoOptions,
  into,
  type OffsetStore,
  type PositionMove,
  type PostgresClient,
  type PostgresOptions,
  type PostgresPool,
  postgresOffsets,
  type SqliteOptions,
  type StoredPosition,
  sqliteOffsets,
} from './offset-store/index.ts';
export { Pipeline, pipe, type RunOptions } from './pipe.ts';
export { type ReduceOptions, reduce } from './reduce.ts';
export type { RetryPolicy } from './retry.ts';
export { type CompactedOptions, compacted, type StateStore } from './state.ts';
export type { Guarantee, Sink, Source, Step } from './step.ts';
export { through } from './through.ts';
export { forEach, type ToOptions, to } from './to.ts';
export { type Windowed, type WindowOptions, window } from './window.ts';
export {
  type Aggregate,
  count,
  type FixedWindows,
  type MergeableAggregate,
  type SessionWindows,
  session,
  sliding,
  sum,
  tumbling,
  values,
} from './windows.ts';
export type { CallInfo, WorkOptions } from './work.ts';
