/**
 * The hash by which Kafka's default partitioner places keys: 32-bit MurmurHash2 with Kafka's seed. Producers in every
 * language use it, so a record of ours must land where theirs do.
 *
 * Source: Austin Appleby's MurmurHash2; the seed is part of Kafka's protocol in all but name.
 */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** Signed 32 bits, as Java has it. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = SEED ^ length;
  const wordsEnd = length & ~3;
  for (let at = 0; at < wordsEnd; at += 4) {
    let word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  const left = length - wordsEnd;
  if (left > 2) hash ^= (bytes[wordsEnd + 2] as number) << 16;
  if (left > 1) hash ^= (bytes[wordsEnd + 1] as number) << 8;
  if (left > 0) hash = Math.imul(hash ^ (bytes[wordsEnd] as number), M);
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return hash ^ (hash >>> 15);
}

/** Partition of a record with this key, as Kafka's default partitioner chooses it. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitionCount;
}
