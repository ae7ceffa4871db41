/**
 * A chunk of the chunked transfer coding, made around bytes where they lie, so that it takes one write: node writes size, line
 * break, bytes and line break as four. Source: RFC 9112, section 7.1.
 */

/** Room for it in front: eight hexadecimal digits and a line break. */
export const CHUNK_HEAD_BYTES = 10;
/** The line break behind. */
export const CHUNK_TAIL = '\r\n';

const CR = 0x0d;
const LF = 0x0a;
const DIGITS = Buffer.from('0123456789abcdef');

/** @param room head, content and tail; the tail is there. @returns a view of what is to be sent. */
export function frameChunk(room: Buffer): Buffer {
  let at = CHUNK_HEAD_BYTES;
  room[--at] = LF;
  room[--at] = CR;
  let left = room.length - CHUNK_HEAD_BYTES - CHUNK_TAIL.length;
  do {
    room[--at] = DIGITS[left & 15] as number;
    left >>>= 4;
  } while (left > 0);
  return room.subarray(at);
}
