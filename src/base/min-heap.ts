/** The smallest first: a binary heap over numbers that the items carry. */
export class MinHeap<T> {
  readonly #items: T[] = [];
  readonly #rank: (item: T) => number;

  constructor(rank: (item: T) => number) {
    this.#rank = rank;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const items = this.#items;
    const rank = this.#rank(item);
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above] as T;
      if (this.#rank(parent) <= rank) break;
      items[at] = parent;
      at = above;
    }
    items[at] = item;
  }

  /** Undefined where there is none. */
  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return first;
    const rank = this.#rank(last);
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      const other = items[child + 1];
      if (other !== undefined && this.#rank(other) < this.#rank(items[child] as T)) child += 1;
      const smaller = items[child] as T;
      if (this.#rank(smaller) >= rank) break;
      items[at] = smaller;
      at = child;
    }
    items[at] = last;
    return first;
  }
}
