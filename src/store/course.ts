/**
 * One reader's way through a partition: what comes next is read while what came before is checked and answered.
 *
 * ```
 *  [given back] [stretch that holds the offset asked for] [stretch, checked] [stretch, being checked] [on its way] ──► AHEAD_BYTES
 *                                                  [planned] ... [of the next file: planned, or on its way already] ──► PlannedSpans
 * ```
 */
import type { Lease } from '../base/buffer-pool.ts';
import type { Partition } from './partition.ts';
import { type PlannedSpan, PlannedSpans } from './planned-spans.ts';
import { isSparse, MAX_SPAN_BYTES, type Piece, type Span } from './read-plan.ts';

/** Kept ahead of one reader, what it was answered with last included: so that the disk has something to do while an answer is sent. */
const AHEAD_BYTES = 8 * 1024 * 1024;
/** At once, each in one piece: the disk has the next to do when one has come. */
const MAX_READING = 2;
/** Planned at a time, for one look into the index. */
const PLAN_BYTES = 16 * 1024 * 1024;

/** What is read before its turn leaves so much to other readers. */
const EARLY_SPARE_BYTES = 4 * 1024 * 1024;

export interface AheadSource {
  /** What holds offsets from `offset` on, until it is `maxBytes` together; one span at least, none where there are no more. */
  plan(partition: Partition, offset: number, endOffset: number, maxBytes: number): Promise<Span[]>;
  /** The caller releases the lease. */
  readSpan(span: Span): Promise<Lease>;
  /** True: it comes from a disk, where a file that nobody has read from begins slowly. */
  isLocal(span: Span): boolean;
  /** False: some of it is damaged. */
  isSound(span: Span, lease: Lease): boolean;
}

/** What all readers together may hold. */
export interface AheadRoom {
  /** False: there is no room for so many bytes, and `spareBytes` for others. */
  take(sizeBytes: number, taker: Course, spareBytes?: number): boolean;
  giveBack(sizeBytes: number): void;
}

/** A span that is there. Its lease is held until the course has passed it, or ends: whoever waits looks again. */
export interface Stretch {
  readonly span: Span;
  readonly lease: Lease;
  /** All there is between these, the second exclusive, stands in it. */
  readonly startOffset: number;
  readonly endOffset: number;
}

export interface CourseStart {
  readonly partition: Partition;
  /** Of the first read. */
  readonly offset: number;
  /** Where the first read's last extent ended: the second read begins behind `offset`, and here at the latest. */
  readonly next: number;
  /** Monotonic. */
  readonly now: number;
}

export class Course {
  readonly partition: Partition;
  /** When it was last read from; monotonic. */
  readAt: number;
  readonly #source: AheadSource;
  readonly #room: AheadRoom;
  /** There and checked, in order, without gaps. */
  readonly #stretches: Stretch[] = [];
  /** To be read next. */
  readonly #planned: PlannedSpans;
  /** Asked for, in order, and not among the stretches yet. */
  readonly #onTheWay: Span[] = [];
  /** Where the last read began. */
  #offset: number;
  /** What ends before it was given back: a read that begins there does not go on, whoever's it is. */
  #passedTo = 0;
  #endOffset = 0;
  /** Everything before it is there or on its way. */
  #readTo: number;
  /** Everything before it is there: what comes next must begin here. */
  #heldTo: number;
  /** Of what is there or on its way. */
  #aheadBytes = 0;
  /** Spans that come from the disk now. */
  #reading = 0;
  #planning = false;
  /** There was no more to plan, or no room for it: until the next read. */
  #allPlanned = false;
  /** Of the span asked for last: what it has is looked at behind those before. */
  #arriving: Promise<void> = Promise.resolve();
  /** Stretches that are on their way or being checked. */
  #coming = 0;
  /** What is to be read next cannot be had, or there is no room: until the next read. */
  #paused = false;
  #ended = false;
  readonly #waiting: (() => void)[] = [];

  constructor(source: AheadSource, room: AheadRoom, { partition, offset, next, now }: CourseStart) {
    this.partition = partition;
    this.readAt = now;
    this.#source = source;
    this.#room = room;
    this.#offset = offset;
    this.#readTo = next;
    this.#heldTo = next;
    this.#planned = new PlannedSpans(next);
  }

  /** An answer may end within an extent: the next read begins there, before what was read. */
  goesOnAt(offset: number): boolean {
    return offset > this.#offset && offset >= this.#passedTo && offset <= this.#readTo;
  }

  /** A read begins that goes on. */
  goOn(offset: number, endOffset: number, now: number): void {
    this.readAt = now;
    this.#offset = offset;
    this.#endOffset = endOffset;
    this.#allPlanned = false;
    if (this.#coming === 0) {
      this.#paused = false;
      // What the first read had is not held, and nothing of what an unfinished plan has.
      this.#heldTo = this.#stretches.at(-1)?.endOffset ?? offset;
      const isElsewhere = this.#readTo !== this.#heldTo || this.#planned.first === undefined;
      this.#readTo = this.#heldTo;
      if (isElsewhere) this.#planAnew();
    }
    this.ready(offset);
  }

  /** The stretch that contains `offset`; what ends before it is given back. Undefined: it is not there yet. */
  ready(offset: number): Stretch | undefined {
    while (this.#stretches.length > 0 && (this.#stretches[0] as Stretch).endOffset <= offset) {
      const passed = this.#stretches.shift() as Stretch;
      this.#passedTo = passed.endOffset;
      this.#giveBack(passed);
    }
    this.#readOn();
    const [first] = this.#stretches;
    // Another reader at about the same place may have gone past it.
    return first !== undefined && first.startOffset <= offset ? first : undefined;
  }

  /** Length of the piece that begins at `offset`, behind all that is there; undefined: it is not known yet. */
  nextBytes(offset: number): number | undefined {
    const first = (this.#onTheWay[0] ?? this.#planned.first)?.pieces[0];
    return first?.baseOffset === offset ? first.sizeBytes : undefined;
  }

  /** Until `ready` has something, or never will: whoever reads it without a course learns why. */
  async arrival(offset: number): Promise<void> {
    while (this.ready(offset) === undefined && this.#coming > 0 && offset >= this.#passedTo) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** For `ReadAhead.drop`. */
  end(): void {
    this.#ended = true;
    for (const stretch of this.#stretches.splice(0)) this.#giveBack(stretch);
    this.#planAnew();
  }

  #readOn(): void {
    while (!this.#ended && !this.#paused && this.#reading < MAX_READING) {
      // Where nothing is there, or on its way, somebody may be waiting.
      if (this.#aheadBytes > 0 && this.#readEarly()) continue;
      const next = this.#aheadBytes < AHEAD_BYTES ? this.#planned.shift() : undefined;
      if (next === undefined) break;
      this.#readNext(next);
    }
    if (!this.#ended && !this.#paused && this.#planned.isShort) this.#planOn();
  }

  /** @returns false where nothing is to be read before its turn, or cannot be. */
  #readEarly(): boolean {
    const { early } = this.#planned;
    if (early === undefined || isSparse(early.span) || !this.#source.isLocal(early.span)) return false;
    if (!this.#room.take(early.span.sizeBytes, this, EARLY_SPARE_BYTES)) return false;
    const reading = this.#read(early.span);
    early.reading = reading;
    // Who waits for what comes in its turn has not waited in vain: it is read next.
    void this.#come(async () => void (await reading.catch(() => undefined)));
    return true;
  }

  #readNext({ span, reading: begun }: PlannedSpan): void {
    if (begun === undefined && (isSparse(span) || !this.#room.take(span.sizeBytes, this))) return this.#pause();
    this.#aheadBytes += span.sizeBytes;
    this.#onTheWay.push(span);
    const startOffset = this.#readTo;
    this.#readTo = (span.pieces.at(-1) as Piece).endOffset;
    const reading = begun ?? this.#read(span);
    const before = this.#arriving;
    this.#arriving = this.#come(async () => {
      await before;
      await this.#arrive(span, startOffset, reading).finally(() => this.#onTheWay.shift());
    });
  }

  #read(span: Span): Promise<Lease> {
    this.#reading += 1;
    const reading = this.#source.readSpan(span).finally(() => {
      this.#reading -= 1;
      // The disk goes on while this waits for those before, and is checked.
      this.#readOn();
    });
    // It may fail before anybody waits for it.
    reading.catch(() => undefined);
    return reading;
  }

  async #arrive(span: Span, startOffset: number, reading: Promise<Lease>): Promise<void> {
    let lease: Lease;
    try {
      lease = await reading;
    } catch (error) {
      this.#giveBackRoom(span);
      throw error;
    }
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const stretch = { span, lease, startOffset, endOffset: (span.pieces.at(-1) as Piece).endOffset };
    const isNext = startOffset === this.#heldTo && !this.#ended;
    if (isNext && this.#source.isSound(span, lease)) {
      this.#stretches.push(stretch);
      this.#heldTo = stretch.endOffset;
    } else {
      this.#giveBack(stretch);
      this.#pause();
    }
  }

  #planOn(): void {
    if (this.#planning || this.#allPlanned) return;
    this.#planning = true;
    void this.#come(async () => {
      try {
        await this.#plan(this.#planned.endOffset);
      } catch {
        // What was planned before can be read; who comes to what was not learns why.
        this.#allPlanned = true;
      } finally {
        this.#planning = false;
      }
      // Others read on from here as from anywhere: between what is found and what follows from it nothing may wait.
      this.#readOn();
    });
  }

  /** Whoever waits looks again after it. Never rejects: they learn why when they read it themselves. */
  async #come(work: () => Promise<void>): Promise<void> {
    this.#coming += 1;
    await work().catch(() => this.#pause());
    this.#coming -= 1;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Nothing is planned where there is no room for it. */
  async #plan(startOffset: number): Promise<void> {
    this.#allPlanned = true;
    if (!this.#room.take(MAX_SPAN_BYTES, this)) return;
    try {
      const spans = await this.#source.plan(this.partition, startOffset, this.#endOffset, PLAN_BYTES);
      // It may have been given up meanwhile, and another way be planned from elsewhere.
      if (spans.length === 0 || this.#planned.endOffset !== startOffset) return;
      this.#planned.add(spans);
      this.#allPlanned = false;
    } finally {
      this.#room.giveBack(MAX_SPAN_BYTES);
    }
  }

  /** What was planned may be gone. */
  #pause(): void {
    this.#paused = true;
    this.#planAnew();
  }

  /** From where reading is. */
  #planAnew(): void {
    for (const { span, reading } of this.#planned.restart(this.#readTo)) {
      void reading
        ?.then((lease) => lease.release())
        .catch(() => undefined)
        .finally(() => this.#room.giveBack(span.sizeBytes));
    }
  }

  #giveBack({ span, lease }: Stretch): void {
    lease.release();
    this.#giveBackRoom(span);
  }

  #giveBackRoom({ sizeBytes }: Span): void {
    this.#aheadBytes -= sizeBytes;
    this.#room.giveBack(sizeBytes);
  }
}
