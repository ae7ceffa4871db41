/**
 * The parts a pipeline is made of. A `Step` is a description that may be run many times; a `Stage` is one of them at work.
 *
 *   source ─► stage ─► stage ─► sink
 *      push: items, one after the other      advance: event time has come so far      flush: everything so far is done
 *
 * The caller of a stage waits for what a call returns before it makes the next one. That waiting is the back-pressure: a sink
 * that is slow slows the source. Calls that need no waiting return nothing, so plain functions cost no promise an item.
 */
import type { Clock, GroupPositions, Guarantee } from '../client/internal.ts';
import type { OriginPlace } from './item.ts';
import type { StepMetrics } from './metrics.ts';
import type { PositionMove } from './offset-store/offset-store.ts';
import type { TransactionHandle } from './transaction-handle.ts';

export interface Stage<In> {
  push(item: In): void | Promise<void>;
  /** No item with an earlier time is expected any more; infinity at the end of the input. Never goes back. */
  advance(watermarkMs: number): void | Promise<void>;
  /** Resolves when everything that was pushed is through, in the sink too, and may be committed. */
  flush(): Promise<void>;
  /** With a database of the program's: writes together with the positions, after `flush`. */
  commit?(positions: Positions): Promise<void>;
  /** Names records that items in memory still stand for, so that no commit passes them. Asked right after `flush`. */
  held?(report: (place: OriginPlace) => void): void;
  /** The source was given partitions, perhaps by other members of its group. */
  gained?(places: readonly Omit<OriginPlace, 'offset'>[]): Promise<void>;
  /** Partitions went to another member, which begins behind the last commit: what came of them since is its to write. */
  lost?(places: readonly Omit<OriginPlace, 'offset'>[]): void;
  /** Releases timers, threads, connections. Nothing more is handed on. Called once, also after a failure. */
  close(): Promise<void>;
}

export interface StageContext {
  readonly clock: Clock;
  readonly random: () => number;
  /** Ends when the pipeline gives up; functions get it, waits end by it. */
  readonly signal: AbortSignal;
  readonly metrics: StepMetrics;
  /** Ends the pipeline: for failures outside of a call. The first one counts. */
  fail(error: unknown): void;
  /** With exactly-once: what all that is written belongs to. */
  readonly transaction: TransactionHandle | undefined;
  /** True where records are acknowledged one by one, so that a step cannot hold some of them back. */
  readonly acknowledgesRecords: boolean;
  /** True where partitions may move between members while the pipeline runs. */
  readonly partitionsMove: boolean;
  /** Stages are told by `lost` of partitions that have gone to others by now. For those that write what only an owner may. */
  followAssignment(): void;
}

/** What opens stages. `name` is for messages and metrics. */
export interface Opener {
  /** A context for the step of this name. */
  context(name: string): StageContext;
}

/** A part of a pipeline between source and sink. */
export interface Step<In, Out> {
  readonly name: string;
  /** @internal */
  open(next: Stage<Out>, opener: Opener): Promise<Stage<In>>;
  /** For the compiler alone. */
  readonly types?: (item: In) => Out;
}

/** Where a pipeline ends. */
export interface Sink<In, Can extends Guarantee = Guarantee> {
  readonly name: string;
  /** @internal */
  open(opener: Opener): Promise<Stage<In>>;
  /** @internal Clients that it writes through; with exactly-once all have to be the source's. */
  readonly clients?: readonly object[];
  /** For the compiler alone. */
  readonly types?: (item: In) => void;
  readonly can?: Can;
}

/** What the source needs of the pipeline. */
export interface SourceContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly metrics: StepMetrics;
  /** Something changed (the watermark) without a record having come. */
  wake(): void;
  /** A number that no other source of the pipeline has. */
  nextSource(): number;
  /** For sources that have steps of their own. */
  readonly opener: Opener;
  gained(places: readonly Omit<OriginPlace, 'offset'>[]): Promise<void>;
  /** They went to others; what was read of them and is not committed comes again there. */
  lost(places: readonly Omit<OriginPlace, 'offset'>[]): void;
}

/**
 * What a read brought. Until it is accepted it changes nothing: a commit may come between, and must not pass it. Accepting may
 * find that there is nothing to give yet.
 */
export interface Chunk<Out> {
  accept(): Promise<readonly Out[]>;
}

/** A source at work. All calls but `read` are made one after the other; a read may be on the way meanwhile. */
export interface RunningSource<Out> {
  /** Waits for items; undefined at the end. Called by one caller at a time, and not before the last chunk is accepted. */
  read(signal: AbortSignal): Promise<Chunk<Out> | undefined>;
  /** Event time that what was accepted has reached; minus infinity at first. */
  watermark(): number;
  /** All that was accepted is processed, but for `held`. */
  commit(held: Held): Promise<void>;
  /**
   * With exactly-once: the same, as positions for the transaction.
   * @throws MillraceError of kind `refresh` where records went through of partitions that are others' now.
   */
  positions?(held: Held): readonly GroupPositions[];
  /** Calls `lost` of its context where partitions have gone to others by now. */
  followAssignment?(): void;
  /** Where positions stand in a database of the program's. */
  stored?(held: Held): Positions;
  close(): Promise<void>;
}

/** What a commit moves, for stages that write it to where the source keeps its positions. */
export interface Positions {
  /** Taken once: the source then commits nothing more. `group` is undefined where it keeps none there. */
  takeFor(store: object): { readonly group: string | undefined; readonly moves: readonly PositionMove[] };
}

/** Oldest held offset by `originKey`. */
export type Held = ReadonlyMap<string, bigint>;

/** Where a pipeline begins. */
export interface Source<Out, Can extends Guarantee = Guarantee> {
  readonly name: string;
  /** @internal */
  open(context: SourceContext): Promise<RunningSource<Out>>;
  /** @internal What steps must know before the source opens. */
  readonly traits: SourceTraits;
  /** For the compiler alone. */
  readonly types?: () => { readonly item: Out; readonly can: Can };
}

export interface SourceTraits {
  readonly acknowledgesRecords: boolean;
  readonly partitionsMove: boolean;
  /** Clients it reads through; undefined where transactions cannot cover it. */
  readonly clients: readonly object[] | undefined;
}

export type { Guarantee };
