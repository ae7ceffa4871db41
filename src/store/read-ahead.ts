/**
 * Reads on for whoever goes through a partition in order: while one answer is checked and sent, what the next will ask for comes from the
 * disk or the object store into memory, is checked there, and is handed out without another copy. Who reads here and there is left alone,
 * and what is still being written is not read ahead: it is in memory, or changes.
 */
import type { Clock } from '../base/clock.ts';
import { type AheadRoom, type AheadSource, Course } from './course.ts';
import type { Partition } from './partition.ts';

/** Held over all readers. */
const MAX_HELD_BYTES = 20 * 1024 * 1024;
/** Reads that may turn out to be in order, and those that have. */
const MAX_COURSES = 64;
/** Who has not come back for so long gives way to others. */
const IDLE_MS = 1_000;

export class ReadAhead implements AheadRoom {
  readonly #source: AheadSource;
  readonly #clock: Clock;
  /** The one that was read longest ago first. */
  readonly #courses = new Set<Course>();
  #heldBytes = 0;
  #closed = false;

  constructor(source: AheadSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /**
   * A read begins at `offset`.
   *
   * @param endOffset exclusive: nothing at or past it is read ahead.
   * @returns where it goes on where an earlier one ended; undefined: it is the first, or reads here and there.
   */
  course(partition: Partition, offset: number, endOffset: number): Course | undefined {
    for (const course of this.#courses) {
      if (course.partition !== partition || !course.goesOnAt(offset)) continue;
      this.#courses.delete(course);
      this.#courses.add(course);
      course.goOn(offset, endOffset, this.#clock.monotonic());
      return course;
    }
    return undefined;
  }

  /** A read without a course ended: the next one of the same reader begins behind `offset`, and at `next` at the latest. */
  ended(partition: Partition, offset: number, next: number): void {
    if (this.#closed) return;
    const now = this.#clock.monotonic();
    this.#courses.add(new Course(this.#source, this, { partition, offset, next, now }));
    for (const course of this.#courses) {
      if (this.#courses.size <= MAX_COURSES) return;
      this.drop(course);
    }
  }

  /** Forgets a reader, and gives back what was read for it. */
  drop(course: Course): void {
    this.#courses.delete(course);
    course.end();
  }

  close(): void {
    this.#closed = true;
    for (const course of [...this.#courses]) this.drop(course);
  }

  /** For courses: room for so many bytes, where there is some, and some to spare. */
  take(sizeBytes: number, taker: Course, spareBytes = 0): boolean {
    const wanted = sizeBytes + spareBytes;
    if (this.#heldBytes + wanted > MAX_HELD_BYTES) this.#dropIdle(taker);
    if (this.#heldBytes + wanted > MAX_HELD_BYTES) return false;
    this.#heldBytes += sizeBytes;
    return true;
  }

  /** For courses. */
  giveBack(sizeBytes: number): void {
    this.#heldBytes -= sizeBytes;
  }

  #dropIdle(taker: Course): void {
    const before = this.#clock.monotonic() - IDLE_MS;
    for (const course of [...this.#courses]) if (course !== taker && course.readAt < before) this.drop(course);
  }
}
