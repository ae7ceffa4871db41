/** An array of `length` times the same value. `Array.from` calls a function for each place, which cold code pays for. */
export function filledArray<T>(length: number, value: T): T[] {
  const array: T[] = [];
  array.length = length;
  return array.fill(value);
}
