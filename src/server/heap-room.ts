/**
 * Gives V8's collector room. What goes through a broker is memory outside of the heap (node copies request bodies into 64 KiB
 * pieces), and V8 counts it against a limit that is made from the heap's size: with 22 MB of live objects it marked the whole
 * heap for every 16 MB that came, which was half of the processor time of large appends over HTTP.
 */
import v8 from 'node:v8';

/** What may come between two full collections, at least. From so large a heap on V8's own rule has to do. */
const ROOM_BYTES = 96 * 1024 * 1024;
/** The limit is made from a heap that may have grown meanwhile, with the share of before. */
const MAX_PERCENT = 400;

/** @returns by how many percent of itself the heap may grow until it is collected; 0: as V8 thinks right. */
export function growingPercent(liveBytes: number): number {
  if (liveBytes >= ROOM_BYTES) return 0;
  return Math.min(MAX_PERCENT, Math.ceil((100 * ROOM_BYTES) / liveBytes));
}

/** Or they would be collected themselves. */
const registries: FinalizationRegistry<undefined>[] = [];

function setGrowingPercent(percent: number): void {
  v8.setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/**
 * After each full collection the share is set anew.
 *
 * @param setPercent sets it for the whole process, which is why a program that embeds a broker is spared.
 */
export function keepHeapRoom(setPercent: (percent: number) => void = setGrowingPercent): void {
  const look = (): void => {
    setPercent(growingPercent(v8.getHeapStatistics().used_heap_size));
    // Gone with the next full collection, and not with those of young objects.
    registry.register({}, undefined);
  };
  const registry = new FinalizationRegistry<undefined>(look);
  registries.push(registry);
  look();
}
