/**
 * Binary messages, big-endian. Batches are RecordBatch v2, as Kafka clients send and get them.
 *
 * Produce, to the broker:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 1 | u8 | kind | 1 |
 * | 1 | 1 | u8 | ack | 0 durable, 1 written, 2 admitted |
 * | 2 | 2 | u16 | nameBytes | length of the topic's name |
 * | 4 | 4 | u32 | id | grows with each produce of the connection, text or binary |
 * | 8 | 4 | u32 | partition | |
 * | 12 | nameBytes | | topic | UTF-8; slashes or dots |
 * | | | | batch | one batch, to the end of the message |
 *
 * Acknowledgement, from the broker: all produces up to an id are done; those that failed were named before.
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 1 | u8 | kind | 129 |
 * | 1 | 3 | | reserved | 0 |
 * | 4 | 4 | u32 | upTo | |
 *
 * Worked example: batch B into partition 2 of `t`, written, as produce 7: `01 01 0001 00000007 00000002 74 B`; its
 * acknowledgement: `81 000000 00000007`.
 */
import { readUint16, readUint32, writeUint32 } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Degree } from '../../journal/journal.ts';

// On the wire: never renumber.
const KIND_PRODUCE = 1;
const KIND_ACK = 129;
const DEGREES: readonly Degree[] = ['durable', 'written', 'admitted'];
const HEADER_BYTES = 12;
const ACK_BYTES = 8;

export interface BinaryProduce {
  readonly id: number;
  readonly degree: Degree;
  readonly topic: string;
  readonly partition: number;
  /** Borrowed from the message. */
  readonly batch: Uint8Array;
}

/** The id of a message that may be out of form behind it, to name it in a refusal. */
export function binaryId(message: Uint8Array): number | undefined {
  return message[0] === KIND_PRODUCE && message.length >= 8 ? readUint32(message, 4) : undefined;
}

/** @throws HTTP_REQUEST_INVALID saying what is wrong. */
export function decodeProduce(message: Uint8Array): BinaryProduce {
  const kind = message[0];
  if (kind !== KIND_PRODUCE) throw refuse(`is of kind ${kind ?? 'none'}; known is ${KIND_PRODUCE}, produce`);
  if (message.length < HEADER_BYTES) throw refuse(`has ${message.length} bytes; its header has ${HEADER_BYTES}`);
  const degree = DEGREES[message[1] as number];
  if (degree === undefined) throw refuse(`asks for ack ${message[1]}; known are 0 durable, 1 written, 2 admitted`);
  const nameEnd = HEADER_BYTES + readUint16(message, 2);
  if (nameEnd >= message.length) throw refuse(`has ${message.length} bytes; a batch should begin at ${nameEnd}`);
  return {
    id: readUint32(message, 4),
    degree,
    topic: Buffer.from(message.buffer, message.byteOffset + HEADER_BYTES, nameEnd - HEADER_BYTES).toString('utf8'),
    partition: readUint32(message, 8),
    batch: message.subarray(nameEnd),
  };
}

export function encodeAck(upTo: number): Uint8Array {
  const message = new Uint8Array(ACK_BYTES);
  message[0] = KIND_ACK;
  writeUint32(message, 4, upTo);
  return message;
}

function refuse(what: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `The binary message ${what}. See docs/protocol.md, WebSocket.`);
}
