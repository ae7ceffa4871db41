/** Base64 of bytes, with what browsers have: the built-in methods where they exist. */

interface WithBase64 {
  toBase64?(): string;
}

interface FromBase64 {
  fromBase64?(text: string): Uint8Array;
}

/** Arguments of one call of String.fromCharCode: more overflow the stack. */
const PIECE = 8192;

export function encodeBase64(bytes: Uint8Array): string {
  const own = (bytes as WithBase64).toBase64?.();
  if (own !== undefined) return own;
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}

/** @throws Error for text that is no base64. */
export function decodeBase64(text: string): Uint8Array {
  const own = (Uint8Array as FromBase64).fromBase64?.(text);
  return own ?? Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
