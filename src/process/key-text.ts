/** Keys as JSON, from which they can be had back: bytes and 64-bit integers too. */
export function encodeKey(key: unknown): string {
  if (key instanceof Uint8Array)
    return JSON.stringify({ $bytes: Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('') });
  if (typeof key === 'bigint') return JSON.stringify({ $bigint: String(key) });
  return JSON.stringify(key) ?? 'null';
}

/** @throws SyntaxError. */
export function decodeKey(text: string): unknown {
  const key = JSON.parse(text) as unknown;
  if (typeof key !== 'object' || key === null) return key;
  const { $bytes, $bigint } = key as { $bytes?: unknown; $bigint?: unknown };
  if (typeof $bytes === 'string') return Uint8Array.from($bytes.match(/../g) ?? [], (hex) => Number.parseInt(hex, 16));
  return typeof $bigint === 'string' ? BigInt($bigint) : key;
}
