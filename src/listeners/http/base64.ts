/** Strict base64: Buffer.from alone drops what it does not understand, which would alter a record silently. */

/** Bytes of standard or URL-safe base64, padded or not; undefined where anything else is in it. */
export function decodeBase64(text: string): Buffer | undefined {
  const unpadded = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length;
  if (unpadded % 4 === 1 || (unpadded !== text.length && text.length % 4 !== 0)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  // Every skipped character makes the result shorter than the length of the text promises.
  return bytes.length === Math.floor((unpadded * 3) / 4) ? bytes : undefined;
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
