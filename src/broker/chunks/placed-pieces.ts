/** Pieces with their places in the chunk that is being made, and how they get there. */
import { copyShared } from '../../base/bytes.ts';
import { describeFile, isChunk } from '../../store/file-number.ts';
import type { Piece } from '../../store/read-plan.ts';
import { soundBytes } from '../../store/sound-batches.ts';
import type { SealPace } from './seal-pace.ts';
import type { SealSources } from './seal-sources.ts';

/** A step of reading, in which a round does not rest. */
const STEP_BYTES = 512 * 1024;

export interface Placed {
  readonly piece: Piece;
  readonly partition: number;
  /** In the chunk. */
  readonly position: number;
}

export interface CopyOptions {
  readonly sources: SealSources;
  readonly pace: SealPace;
  /** Places where batches are damaged, for the log. They are copied as they are: reads name them, and serve the rest. */
  readonly damages: string[];
}

/**
 * Copies pieces to their places, and checks them. They are read in the order in which they lie in the sources.
 *
 * @param from place of the first byte of `into` in the chunk.
 * @returns true: all of their batches are sound.
 */
export async function copyPieces(
  placed: readonly Placed[],
  into: Uint8Array,
  from: number,
  { sources, pace, damages }: CopyOptions,
): Promise<boolean> {
  const before = damages.length;
  const places = new Map(placed.map((one) => [one.piece, one]));
  const inPlace = [...places.keys()].sort((a, b) => a.file - b.file || a.position - b.position);
  let stepBytes = 0;
  for await (const { span, bytes } of sources.read(inPlace)) {
    for (const piece of span.pieces) {
      const { position, partition } = places.get(piece) as Placed;
      const at = piece.position - span.position;
      const copy = bytes.subarray(at, at + piece.sizeBytes);
      const sound = soundBytes(copy, piece.baseOffset);
      if (sound < copy.length) damages.push(damage(piece, partition, sound));
      copyShared(copy, into.subarray(position - from));
    }
    stepBytes += span.sizeBytes;
    if (stepBytes < STEP_BYTES) continue;
    stepBytes = 0;
    await pace.rest();
  }
  return damages.length === before;
}

function damage(piece: Piece, partition: number, sound: number): string {
  const source = isChunk(piece.file) ? 'verify' : 'journal verify';
  return (
    `${describeFile(piece.file)}, position ${piece.position + sound}: batches of partition ${partition}, between offsets ` +
    `${piece.baseOffset} and ${piece.endOffset - 1}, are damaged. They are kept as they are and not served. Run 'millrace ${source}'.`
  );
}
