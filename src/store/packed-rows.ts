/**
 * Rows of numbers back to back, of which most lists have one or two, and a few have thousands. A typed array lies outside of V8's
 * heap and costs about 700 bytes beside what it holds, which for 100,000 partitions is more than all the rest of them; and the
 * allocator keeps what it gave to a thread that has ended. A plain array of numbers lies in the heap and costs 48. Where rows are
 * many the typed array is the better one: it is made with room to grow, and the collector never moves it.
 */
export type PackedRows = number[] | Float64Array;

/** Numbers from which on the rows go into a typed array. */
const MANY_NUMBERS = 128;

/**
 * @param rows stays as it is, unless it has the room: then `row` is put into it.
 * @param end numbers of `rows` that are in use; the row goes behind them.
 * @returns where the rows are now.
 */
export function withRow(rows: PackedRows, end: number, row: readonly number[]): PackedRows {
  const needed = end + row.length;
  if (rows instanceof Float64Array) {
    const roomy = needed <= rows.length ? rows : copyOf(rows, 0, end, needed * 2);
    for (let i = 0; i < row.length; i++) roomy[end + i] = row[i] as number;
    return roomy;
  }
  if (needed < MANY_NUMBERS) return (end === rows.length ? rows : rows.slice(0, end)).concat(row);
  const many = copyOf(rows, 0, end, needed * 2);
  many.set(row, end);
  return many;
}

/** The numbers from `start` to `end`, exclusive, in memory of their own. */
export function cutRows(rows: PackedRows, start: number, end: number): PackedRows {
  const count = end - start;
  if (count >= MANY_NUMBERS) return copyOf(rows, start, end, count);
  return rows instanceof Float64Array ? Array.from(rows.subarray(start, end)) : rows.slice(start, end);
}

function copyOf(rows: PackedRows, start: number, end: number, capacity: number): Float64Array {
  const copy = new Float64Array(capacity);
  copy.set(rows instanceof Float64Array ? rows.subarray(start, end) : rows.slice(start, end));
  return copy;
}
