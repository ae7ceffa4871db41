/** Marks of back ends that commit positions: the offset after the last processed record of each partition. */
import type { Place } from './position.ts';
import type { RecordPlace } from './record.ts';

export interface PositionMark {
  readonly topic: string;
  readonly partition: number;
  /** Where to go on: one past the last processed record. */
  readonly nextOffset: bigint;
}

export class PositionMarks {
  readonly #marks = new Map<string, Map<number, PositionMark>>();
  #count = 0;

  mark({ topic, partition, offset }: RecordPlace): void {
    let partitions = this.#marks.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#marks.set(topic, partitions);
    }
    if (!partitions.has(partition)) this.#count += 1;
    partitions.set(partition, { topic, partition, nextOffset: offset + 1n });
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** All marks, which are forgotten here. */
  take(): PositionMark[] {
    const taken = [...this.#marks.values()].flatMap((partitions) => [...partitions.values()]);
    this.#marks.clear();
    this.#count = 0;
    return taken;
  }

  /** Puts marks back whose commit failed, unless newer ones came meanwhile. */
  putBack(marks: readonly PositionMark[]): void {
    for (const mark of marks) {
      if (this.#marks.get(mark.topic)?.has(mark.partition) !== true)
        this.mark({ topic: mark.topic, partition: mark.partition, offset: mark.nextOffset - 1n });
    }
  }

  /**
   * Takes all marks and has them saved; those of a save that fails are put back.
   * @returns what was saved. @throws what `save` does.
   */
  async commit(save: (marks: readonly PositionMark[]) => Promise<unknown>): Promise<readonly PositionMark[]> {
    const marks = this.take();
    if (marks.length === 0) return marks;
    try {
      await save(marks);
    } catch (error) {
      this.putBack(marks);
      throw error;
    }
    return marks;
  }

  /** Forgets marks of partitions for which `keep` is false. */
  retain(keep: (place: Required<Place>) => boolean): void {
    for (const mark of this.take()) if (keep(mark)) this.putBack([mark]);
  }
}

/** Whether a partition lies within a place, whose missing parts mean all. */
export function covers(place: Place, { topic, partition }: Required<Place>): boolean {
  return (
    (place.topic === undefined || place.topic === topic) &&
    (place.partition === undefined || place.partition === partition)
  );
}

/** Key of a partition in maps. */
export function partitionKey({ topic, partition }: Required<Place>): string {
  return `${topic}/${partition}`;
}
