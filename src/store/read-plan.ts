/**
 * Which bytes to read: pieces (extents) joined to spans (reads). Extents of one topic lie between those of others, and a
 * read of 10 KB costs as much as one of 500 KB: from the page cache, pieces of 10 KB one by one come at 0.22 GB/s, one
 * read of a megabyte at 10 GB/s. So neighbours are read together, with what lies between.
 */
export interface Piece {
  readonly file: number;
  readonly position: number;
  readonly sizeBytes: number;
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly maxTimestamp: number;
}

export interface Span {
  readonly file: number;
  readonly position: number;
  readonly sizeBytes: number;
  readonly pieces: readonly Piece[];
}

/** A gap up to this is cheaper to read than to skip: a read is a trip through the thread pool. */
const MAX_GAP_BYTES = 128 * 1024;
/** Longest joined read; a single larger piece is its own span. */
export const MAX_SPAN_BYTES = 2 * 1024 * 1024;
/**
 * What lies between two multiples of this in a chunk that is not on the disk is fetched by one request, and can be leased without a copy.
 * Servers of objects read ahead within a request: radosgw has 16 MiB of one on its way, and 4 MiB at a time take it twice as long.
 */
export const COLD_RUN_BYTES = 16 * 1024 * 1024;
const MAX_ROUND_SPANS = 16;

export interface SpanLimits {
  /** Of what lies between two pieces that are read together. */
  readonly maxGapBytes?: number;
  /** Of a file, where bytes between two multiples of it are read for less than others: pieces across one are read alone. */
  readonly runBytes?: (file: number) => number | undefined;
}

/** @param pieces in offset order, so in journal order. */
export function planSpans(pieces: readonly Piece[], limits: SpanLimits = {}): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (let i = 1; i <= pieces.length; i++) {
    const next = pieces[i];
    if (next !== undefined && joins(pieces[from] as Piece, pieces[i - 1] as Piece, next, limits)) continue;
    const first = pieces[from] as Piece;
    const last = pieces[i - 1] as Piece;
    spans.push({
      file: first.file,
      position: first.position,
      sizeBytes: last.position + last.sizeBytes - first.position,
      pieces: pieces.slice(from, i),
    });
    from = i;
  }
  return spans;
}

/**
 * Spans to be read at the same time, in order: what waits for the slowest of them stays within the memory of one large
 * span. Scattered small pieces gain most from being read together.
 */
export function planRounds(spans: readonly Span[]): Span[][] {
  const rounds: Span[][] = [];
  let bytes = 0;
  for (const span of spans) {
    const round = rounds.at(-1);
    if (round !== undefined && round.length < MAX_ROUND_SPANS && bytes + span.sizeBytes <= MAX_SPAN_BYTES) {
      round.push(span);
      bytes += span.sizeBytes;
    } else {
      rounds.push([span]);
      bytes = span.sizeBytes;
    }
  }
  return rounds;
}

/** True: most of what is read lies between the pieces. */
export function isSparse({ pieces, sizeBytes }: Span): boolean {
  return pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0) * 2 < sizeBytes;
}

function joins(first: Piece, last: Piece, next: Piece, { maxGapBytes = MAX_GAP_BYTES, runBytes }: SpanLimits): boolean {
  if (next.file !== first.file) return false;
  const gap = next.position - (last.position + last.sizeBytes);
  const end = next.position + next.sizeBytes;
  if (gap > maxGapBytes || end - first.position > MAX_SPAN_BYTES) return false;
  const run = runBytes?.(first.file);
  return run === undefined || Math.floor(first.position / run) === Math.floor((end - 1) / run);
}
