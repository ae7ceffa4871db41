/**
 * Which file bytes stand in, as one number: journal file `n` is `n`, chunk `n` is `-n`. So extents, ranges and read plans
 * keep one column, and a partition's batches may lie in both. On disk in checkpoints and commands: never change.
 */

/** Journal file `n` as `n`, chunk `n` as `-n`; never 0. */
export type FileNumber = number;

/** @param chunk from 1. */
export function chunkFile(chunk: number): FileNumber {
  return -chunk;
}

export function isChunk(file: FileNumber): boolean {
  return file < 0;
}

/** For messages, at their beginning: `Journal file 7`, `Chunk 7`. */
export function describeFile(file: FileNumber): string {
  return isChunk(file) ? `Chunk ${-file}` : `Journal file ${file}`;
}
