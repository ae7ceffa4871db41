/**
 * Cursors that let shared caches answer many waiting readers with one request, and never for ever with the same answer.
 * Source: PROTOCOL.md of Durable Streams, 10.1.
 */

const EPOCH_MS = Date.UTC(2024, 9, 9);
const INTERVAL_SECONDS = 20;
const MAX_JITTER_SECONDS = 3600;
const FORM = /^\d{1,15}$/;

/**
 * @param client what the reader sent back; anything that is no cursor is as good as none.
 * @param random uniform in [0, 1).
 * @returns number of the current interval, and always more than the reader has.
 */
export function nextCursor(client: string | undefined, nowMs: number, random: () => number): string {
  const current = Math.floor((nowMs - EPOCH_MS) / (INTERVAL_SECONDS * 1000));
  if (client === undefined || !FORM.test(client) || Number(client) < current) return String(current);
  const jitterSeconds = 1 + Math.floor(random() * MAX_JITTER_SECONDS);
  return String(Number(client) + Math.max(1, Math.ceil(jitterSeconds / INTERVAL_SECONDS)));
}
