/**
 * Offsets of the Durable Streams protocol: the record offset in 16 digits, `_`, and sixteen zeros, which keep their place
 * for a position inside a record. Text order is offset order. Source: docs/protocol.md, "Offsets".
 *
 * Example: record offset 42 is `0000000000000042_0000000000000000`.
 */

const DIGITS = 16;
const SUFFIX = `_${'0'.repeat(DIGITS)}`;
const FORM = /^\d{16}_0{16}$/;

export function formatStreamOffset(offset: number): string {
  return String(offset).padStart(DIGITS, '0') + SUFFIX;
}

/** @returns undefined where it is not what `formatStreamOffset` writes. Beyond 2^53 the number is not exact, but as large. */
export function parseStreamOffset(text: string): number | undefined {
  return FORM.test(text) ? Number(text.slice(0, DIGITS)) : undefined;
}
