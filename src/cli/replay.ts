/** Replays recorded events at a pace: real time between them, compressed to a given length, in ticks. */

export interface ReplayEvent {
  readonly key: string;
  /** Milliseconds since 1970, ascending. */
  readonly time: number;
  /** The line of the file, byte for byte. */
  readonly line: string;
}

/** Events are sent together when they fall into the same tick, so that a burst is not a thousand requests. */
const TICK_MS = 100;

/** @throws SyntaxError or TypeError for a line that is not an event; the file ships with Millrace. */
export function parseEvents(text: string): ReplayEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { id, time } = JSON.parse(line) as { id: string; time: number };
      return { key: id, time, line };
    });
}

export interface ReplayTick {
  /** Milliseconds after the start of the replay. */
  readonly atMs: number;
  readonly events: readonly ReplayEvent[];
}

/** Lays the events out over `durationMs`, gaps in proportion, none lost. */
export function planReplay(events: readonly ReplayEvent[], durationMs: number): ReplayTick[] {
  const first = events[0]?.time ?? 0;
  const span = Math.max((events.at(-1)?.time ?? 0) - first, 1);
  const ticks = new Map<number, ReplayEvent[]>();
  for (const event of events) {
    const tick = Math.floor(((event.time - first) / span) * (durationMs / TICK_MS));
    const list = ticks.get(tick);
    if (list === undefined) ticks.set(tick, [event]);
    else list.push(event);
  }
  return [...ticks].map(([tick, list]) => ({ atMs: tick * TICK_MS, events: list }));
}
