/** Which records name which others as their cause: from parent to children, in the order of commits. Bounded. */
import { formatRecordPosition, type RecordPosition } from '../../model/record-position.ts';

export interface ChildRecord extends RecordPosition {
  /** Grows with the order of commits. */
  readonly sequence: number;
}

const NONE: readonly ChildRecord[] = [];

export class LineageIndex {
  /** By the parent's place; the parent that was named first comes first. */
  readonly #children = new Map<string, ChildRecord[]>();
  readonly #maxEdges: number;
  #edges = 0;
  #sequence = 0;
  /** Whether something was dropped to make room. */
  overflowed = false;

  constructor(maxEdges: number) {
    this.#maxEdges = maxEdges;
  }

  get edges(): number {
    return this.#edges;
  }

  /** @param parents several records may have caused one. */
  add(child: RecordPosition, parents: readonly RecordPosition[]): void {
    const entry: ChildRecord = { ...child, sequence: this.#sequence++ };
    for (const parent of new Set(parents.map(formatRecordPosition))) {
      const known = this.#children.get(parent);
      if (known === undefined) this.#children.set(parent, [entry]);
      else known.push(entry);
      this.#edges += 1;
    }
    for (const [parent, children] of this.#children) {
      if (this.#edges <= this.#maxEdges) break;
      this.#children.delete(parent);
      this.#edges -= children.length;
      this.overflowed = true;
    }
  }

  childrenOf(parent: RecordPosition): readonly ChildRecord[] {
    return this.#children.get(formatRecordPosition(parent)) ?? NONE;
  }
}
