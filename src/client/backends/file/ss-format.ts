/**
 * The `.ss` file of SeaStreamer, version 1, byte for byte. All numbers are big endian.
 *
 * Header, at 0:
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 2 | bytes | mark | 0x53 0x73, "Ss" |
 * | 2 | 1 | u8 | version | 1 |
 * | 3 | 1 + n | short string | file name | u8 length, then that many bytes of UTF-8 |
 * | 4 + n | 8 | u64 | created at | milliseconds since 1970 |
 * | 12 + n | 4 | u32 | beacon interval | a multiple of 1024 |
 * | 16 + n | 111 - n | zeros | padding | |
 * | 127 | 1 | u8 | end | 0x0D |
 *
 * Message:
 * | size | type | name | meaning |
 * |---|---|---|---|
 * | 1 + k | short string | stream key | 1 to 249 of a-z A-Z 0-9 . _ - |
 * | 8 | u64 | shard | |
 * | 8 | u64 | sequence | per stream key and shard; a writer counts from 1 |
 * | 8 | u64 | timestamp | milliseconds since 1970 |
 * | 4 | u32 | payload size | |
 * | p | bytes | payload | |
 * | 2 | u16 | checksum | CRC-16/CDMA2000 of the payload |
 * | 1 | u8 | end | 0x0D |
 *
 * Beacon, at every multiple of the interval but 0, in the middle of a message where one lies there:
 * | size | type | name | meaning |
 * |---|---|---|---|
 * | 1 | u8 | begin | 0x0D |
 * | 4 | u32 | remaining | bytes of the interrupted message that are still to come, without those of further beacons; else 0 |
 * | 1 | u8 | count | items |
 * | | items | | key, shard, sequence, timestamp as in a message: the highest so far; then u16: the running checksum, which is the CRC over the checksums of the stream's messages |
 * | 1 | u8 | end | 0x0D |
 *
 * A file may end with a message of key `SEA_STREAMER_INTERNAL` and payload `EOS`.
 *
 * Worked example, the message "hi" of stream "a", shard 0, sequence 1, at 1,700,000,000,000 ms:
 * `01 61 | 00*8 | 00*7 01 | 00 00 01 8b cf e5 68 00 | 00 00 00 02 | 68 69 | 0f 6f | 0d`, checked in ss-format.test.ts.
 *
 * The format is SeaStreamer's: it is not ours to change.
 */
import { readInt64, readUint32, writeInt64, writeUint32 } from '../../../base/bytes.ts';
import { MillraceError } from '../../../base/errors.ts';
import { decodeUtf8, encodeUtf8 } from '../../utf8.ts';

export const SS_HEADER_BYTES = 128;
const SS_VERSION = 1;
export const SS_END = 0x0d;
/** Around key and payload: key length, shard, sequence, timestamp, payload size; checksum and end. */
export const SS_MESSAGE_HEAD_BYTES = 1 + 8 + 8 + 8 + 4;
export const SS_MESSAGE_TAIL_BYTES = 2 + 1;
export const SS_BEACON_FIXED_BYTES = 1 + 4 + 1 + 1;
export const SS_INTERNAL_KEY = 'SEA_STREAMER_INTERNAL';
export const SS_END_OF_STREAM = 'EOS';
export const SS_DEFAULT_INTERVAL = 1024 * 1024;
/** Intervals are multiples of this, so that a beacon with one item always fits. */
const SS_INTERVAL_UNIT = 1024;
/** A larger payload is taken for damage: reading on would fill the memory. */
export const SS_MAX_PAYLOAD_BYTES = 512 * 1024 * 1024;

const MAX_FILE_NAME_BYTES = 111;
const MAX_ITEM_BYTES = 256 + 24 + 2;
const KEY = /^[a-zA-Z0-9._-]{1,249}$/;

export interface SsHeader {
  readonly fileName: string;
  readonly createdAt: number;
  readonly beaconInterval: number;
}

export interface SsMessage {
  readonly key: string;
  readonly shard: number;
  readonly sequence: bigint;
  readonly timestamp: number;
  readonly payload: Uint8Array;
  readonly checksum: number;
}

export interface SsBeaconItem {
  readonly key: string;
  readonly shard: number;
  readonly sequence: bigint;
  readonly timestamp: number;
  readonly runningChecksum: number;
}

export interface SsBeacon {
  /** 1 for the first; file offset = index × interval. */
  readonly index: number;
  readonly remainingBytes: number;
  readonly items: readonly SsBeaconItem[];
}

/** Items of a beacon, at most: half of what would fit, so that messages get most of the file. */
export function beaconItemLimit(interval: number): number {
  return Math.floor(Math.min(255, Math.floor((interval - SS_BEACON_FIXED_BYTES) / MAX_ITEM_BYTES)) / 2);
}

/** @throws MillraceError CLIENT_OPTION_INVALID for a name, key or interval that the format cannot hold. */
export function encodeSsHeader({ fileName, createdAt, beaconInterval }: SsHeader): Uint8Array {
  if (!isInterval(beaconInterval))
    throw new MillraceError(
      'CLIENT_OPTION_INVALID',
      `The beacon interval must be a multiple of ${SS_INTERVAL_UNIT}, not ${beaconInterval}.`,
    );
  const name = encodeUtf8(fileName);
  if (name.length > MAX_FILE_NAME_BYTES)
    throw new MillraceError(
      'CLIENT_OPTION_INVALID',
      `The file name has ${name.length} bytes; a .ss header holds ${MAX_FILE_NAME_BYTES}.`,
    );
  const header = new Uint8Array(SS_HEADER_BYTES);
  header.set([0x53, 0x73, SS_VERSION, name.length]);
  header.set(name, 4);
  writeInt64(header, 4 + name.length, createdAt);
  writeUint32(header, 12 + name.length, beaconInterval);
  header[SS_HEADER_BYTES - 1] = SS_END;
  return header;
}

/** @throws MillraceError CLIENT_FILE_FORMAT for anything but a whole header of version 1. */
export function decodeSsHeader(bytes: Uint8Array): SsHeader {
  if (bytes.length < SS_HEADER_BYTES) throw notSs(`it has ${bytes.length} bytes, a header has ${SS_HEADER_BYTES}`);
  if (bytes[0] !== 0x53 || bytes[1] !== 0x73) throw notSs('it does not begin with "Ss"');
  if (bytes[2] !== SS_VERSION) throw notSs(`it is of version ${bytes[2]}, this reads version ${SS_VERSION}`);
  const nameLength = bytes[3] as number;
  if (nameLength > MAX_FILE_NAME_BYTES) throw notSs(`its name would have ${nameLength} bytes`);
  const beaconInterval = readUint32(bytes, 12 + nameLength);
  const createdAt = readInt64(bytes, 4 + nameLength);
  if (!isInterval(beaconInterval))
    throw notSs(`its beacon interval is ${beaconInterval}, no multiple of ${SS_INTERVAL_UNIT}`);
  if (!(createdAt >= 0)) throw notSs('its creation time is out of range');
  let fileName: string;
  try {
    fileName = decodeUtf8(bytes.subarray(4, 4 + nameLength));
  } catch {
    throw notSs('its name is no UTF-8');
  }
  return { fileName, createdAt, beaconInterval };
}

export function isSsKey(key: string): boolean {
  return KEY.test(key);
}

/** @throws MillraceError CLIENT_OPTION_INVALID. */
export function checkSsKey(key: string): void {
  if (!isSsKey(key))
    throw new MillraceError(
      'CLIENT_OPTION_INVALID',
      `${JSON.stringify(key.slice(0, 80))} is no stream key: a .ss file takes 1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-".`,
    );
}

export function isEndOfStream({ key, payload }: Pick<SsMessage, 'key' | 'payload'>): boolean {
  return key === SS_INTERNAL_KEY && payload.length === 3 && decodeAscii(payload) === SS_END_OF_STREAM;
}

function decodeAscii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Bytes of a message in the file, without beacons. */
export function ssMessageBytes(keyLength: number, payloadLength: number): number {
  return SS_MESSAGE_HEAD_BYTES + keyLength + payloadLength + SS_MESSAGE_TAIL_BYTES;
}

/** Unsigned 64-bit as bigint. */
export function readUint64(bytes: Uint8Array, position: number): bigint {
  const high = readUint32(bytes, position);
  const low = readUint32(bytes, position + 4);
  // Two halves that fit a double need one bigint instead of three.
  return high < 0x20_0000 ? BigInt(high * 0x1_0000_0000 + low) : (BigInt(high) << 32n) | BigInt(low);
}

export function writeUint64(bytes: Uint8Array, position: number, value: bigint): void {
  const number = Number(value);
  if (number <= Number.MAX_SAFE_INTEGER) {
    // Arithmetic on a double makes no bigints in between.
    writeUint32(bytes, position, Math.floor(number / 0x1_0000_0000));
    writeUint32(bytes, position + 4, number >>> 0);
    return;
  }
  writeUint32(bytes, position, Number(value >> 32n));
  writeUint32(bytes, position + 4, Number(value & 0xffff_ffffn));
}

function isInterval(interval: number): boolean {
  return interval > 0 && interval % SS_INTERVAL_UNIT === 0 && interval <= 0xffff_ffff;
}

function notSs(why: string): MillraceError {
  return new MillraceError('CLIENT_FILE_FORMAT', `This is no .ss file: ${why}.`);
}
