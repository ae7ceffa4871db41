/** Records of partitions of one topic. */
import type { Collector } from './collector.ts';
import { type PartitionPosition, positionAt } from './position.ts';
import type { Reading, ReadingRoom } from './reading.ts';
import type { ReadOutcome, RecordSource, Sharing } from './record-source.ts';
import type { PartitionWalk } from './record-walk.ts';
import { awaitRecords, readRound } from './round.ts';
import type { TextBuffer } from './text-buffer.ts';

/** Nobody tells of partitions that the topic got: they are looked for. */
const NEW_PARTITIONS_MS = 15_000;

/** Writes the current record of the walk, with what stands around it. */
export type RenderRecord = (walk: PartitionWalk, into: TextBuffer) => void;

export interface TopicSourceOptions {
  readonly positions: PartitionPosition[];
  /** Whether partitions that the topic gets later are read too. */
  readonly allPartitions: boolean;
  readonly render: RenderRecord;
  /** Names all that the text of a record depends on, for sources whose pieces may be shared. */
  readonly form?: string | undefined;
}

export class TopicSource implements RecordSource {
  readonly positions: PartitionPosition[];
  readonly cursor = undefined;
  readonly #room: ReadingRoom;
  readonly #allPartitions: boolean;
  readonly #render: RenderRecord;
  readonly #form: string | undefined;

  constructor(room: ReadingRoom, { positions, allPartitions, render, form }: TopicSourceOptions) {
    this.#room = room;
    this.positions = positions;
    this.#allPartitions = allPartitions;
    this.#render = render;
    this.#form = form;
  }

  get isCaughtUp(): boolean {
    return this.positions.every((position) => position.nextOffset >= position.highWatermark);
  }

  /** Of one partition alone: a mix of several is seldom the same for two. */
  get sharing(): Sharing | undefined {
    const [position] = this.positions;
    if (this.#form === undefined || position === undefined || this.positions.length > 1) return undefined;
    const { partition, nextOffset } = position;
    // What is not there is told by reading.
    if (partition.deleted || nextOffset < partition.logStartOffset) return undefined;
    // New partitions are found by reading.
    if (this.#allPartitions && position.topic.partitionCount > 1) return undefined;
    return {
      key: `${partition.number}/${nextOffset}/${this.#form}`,
      nextOffset,
      isAtEnd: nextOffset === partition.lastStableOffset,
      moveTo: (next) => {
        position.nextOffset = next;
        position.highWatermark = partition.highWatermark;
      },
    };
  }

  async read(reading: Reading, maxBytes: number, collector: Collector): Promise<ReadOutcome> {
    if (this.#allPartitions) this.#addNewPartitions();
    const take = (walk: PartitionWalk): boolean => {
      this.#render(walk, collector.next);
      return collector.added();
    };
    return await readRound(this.#room, reading, this.positions, maxBytes, { take });
  }

  wait(reading: Reading, waitMs: number): Promise<ReadOutcome> {
    const longestMs = this.#allPartitions ? NEW_PARTITIONS_MS : waitMs;
    return awaitRecords(this.#room, reading, this.positions, Math.min(waitMs, longestMs));
  }

  #addNewPartitions(): void {
    const topic = this.positions[0]?.topic;
    if (topic === undefined) return;
    for (const partition of topic.partitions.slice(this.positions.length)) {
      this.positions.push(positionAt(topic, partition, partition.logStartOffset));
    }
  }
}
