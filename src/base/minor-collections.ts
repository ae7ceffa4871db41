/**
 * Collects short-lived memory outside of V8's heap before V8 looks for it in the whole heap. Node.js reads bodies into fresh
 * pieces of 64 KiB, and V8 counts them against a limit that is made from the heap's size: with 22 MB of live objects it marks
 * everything for every 16 MB that come, 10 to 50 ms of two cores. A minor collection finds the same pieces in half a
 * millisecond, but V8 begins one only when the small objects beside them have filled their space, which is much later.
 */
import v8 from 'node:v8';
import vm from 'node:vm';

/** Half of what V8 bears beside a heap of 20 MB. */
const EVERY_BYTES = 8 * 1024 * 1024;

export class MinorCollections {
  readonly #begin: () => () => void;
  #isAllowed = false;
  #collect: (() => void) | undefined;
  #droppedBytes = 0;

  /** @param begin gives what collects; called once, when that is needed first. */
  constructor(begin: () => () => void = minorCollector) {
    this.#begin = begin;
  }

  /** They are those of the whole process: only a program that is nothing but a broker may begin them. */
  allow(): void {
    this.#isAllowed = true;
  }

  /** For threads of the same program, which have collectors of their own. */
  get isAllowed(): boolean {
    return this.#isAllowed;
  }

  /** So much young memory outside of the heap is garbage now. */
  dropped(bytes: number): void {
    this.#droppedBytes += bytes;
    if (this.#droppedBytes < EVERY_BYTES || !this.#isAllowed) return;
    this.#droppedBytes = 0;
    this.#collect ??= this.#begin();
    this.#collect();
  }
}

function minorCollector(): () => void {
  const collect = garbageCollector();
  return () => collect('minor');
}

type GarbageCollector = (options: {
  readonly type: 'minor' | 'major';
  readonly flavor: 'regular' | 'last-resort';
  readonly execution: 'sync';
}) => void;

/** `everything`: the pages of the heap go back to the system at once, which V8 would keep for ten seconds; it takes several collections. */
export type Collection = 'minor' | 'major' | 'everything';

/** Of this thread. Found once: it takes a context. */
let collector: ((what: Collection) => void) | undefined;

/** V8's, of this thread. V8 gives its function to contexts that are made while the flag is set; nobody else is to find it. */
export function garbageCollector(): (what: Collection) => void {
  if (collector !== undefined) return collector;
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('globalThis.gc') as GarbageCollector | undefined;
  v8.setFlagsFromString('--no-expose-gc');
  collector = (what) => {
    const flavor = what === 'everything' ? 'last-resort' : 'regular';
    collect?.({ type: what === 'minor' ? 'minor' : 'major', flavor, execution: 'sync' });
  };
  return collector;
}

/** Of this thread. */
export const minorCollections = new MinorCollections();
