/**
 * The first of each key, in order. Answers to "describe" requests are far larger than what asks for them; naming one
 * thing a million times must not cost a million answers. Kafka, too, answers such names once.
 */
export function distinct<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const seen = new Set<string>();
  return items.filter((item) => isNew(seen, keyOf(item)));
}

/** Adds the key; false when it was there. */
export function isNew(seen: Set<string>, key: string): boolean {
  const before = seen.size;
  seen.add(key);
  return seen.size > before;
}
