/**
 * `millrace/aggregate`: event-sourced aggregates, each a stream of its own.
 * Guide: docs/aggregates.md.
 */
export { Aggregate, type Decision, type WriteOptions, type Written } from './aggregate.ts';
export { type AggregateOptions, Aggregates, aggregates, type OpenOptions } from './aggregates.ts';
export type { Snapshot, SnapshotStore } from './snapshot-store.ts';
export { type SqliteSnapshotOptions, sqliteSnapshots } from './sqlite-snapshots.ts';
export { type TopicSnapshotOptions, topicSnapshots } from './topic-snapshots.ts';
