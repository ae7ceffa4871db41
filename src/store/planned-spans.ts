/** What a course reads next, in order; of the file behind the one that is being read, the first spans may be on their way before their turn. */
import type { Lease } from '../base/buffer-pool.ts';
import type { Piece, Span } from './read-plan.ts';

/** Where less than this is planned, what follows is: a look into the next file's index is several reads in line, while the disk could read on. */
const PLANNED_BYTES = 24 * 1024 * 1024;
/** That is enough, where they are short. */
const MAX_PLANNED_SPANS = 32;
/**
 * So long before its turn the next file is begun: systems read ahead within a file as it is read, so that towards its end nothing is left
 * to be done, and the next one begins slowly.
 */
const EARLY_BYTES = 12 * 1024 * 1024;
/** With the second the system sees that the file is read in order. */
const MAX_EARLY_SPANS = 2;

export interface PlannedSpan {
  readonly span: Span;
  /** It was begun before its turn; whoever drops it gives back what comes. */
  reading: Promise<Lease> | undefined;
}

export class PlannedSpans {
  #spans: PlannedSpan[] = [];
  #endOffset: number;

  constructor(endOffset: number) {
    this.#endOffset = endOffset;
  }

  /** All there is before it is planned, or was. */
  get endOffset(): number {
    return this.#endOffset;
  }

  get first(): Span | undefined {
    return this.#spans[0]?.span;
  }

  /** What follows is to be planned. */
  get isShort(): boolean {
    if (this.#spans.length >= MAX_PLANNED_SPANS) return false;
    return this.#spans.reduce((sum, { span }) => sum + span.sizeBytes, 0) < PLANNED_BYTES;
  }

  /** @param spans begin at `endOffset`; one at least. */
  add(spans: readonly Span[]): void {
    for (const span of spans) {
      this.#spans.push({ span, reading: undefined });
      this.#endOffset = (span.pieces.at(-1) as Piece).endOffset;
    }
  }

  shift(): PlannedSpan | undefined {
    return this.#spans.shift();
  }

  /** To be begun before its turn; undefined: nothing is. */
  get early(): PlannedSpan | undefined {
    const file = this.first?.file;
    const from = this.#spans.findIndex(({ span }) => span.file !== file);
    if (from === -1) return undefined;
    const before = this.#spans.slice(0, from).reduce((sum, { span }) => sum + span.sizeBytes, 0);
    if (before > EARLY_BYTES) return undefined;
    return this.#spans.slice(from, from + MAX_EARLY_SPANS).find(({ reading }) => reading === undefined);
  }

  /** Others are planned from `endOffset` on. @returns what was planned and not taken. */
  restart(endOffset: number): PlannedSpan[] {
    this.#endOffset = endOffset;
    return this.#spans.splice(0);
  }
}
