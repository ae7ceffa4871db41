/** Reads items of a `.ss` file from disk, in blocks. */
import type { FileHandle } from 'node:fs/promises';
import { MillraceError } from '../../../base/errors.ts';
import { SsDecoder, type SsItem } from './ss-decoder.ts';
import { decodeSsHeader, SS_HEADER_BYTES, type SsBeacon, type SsHeader } from './ss-format.ts';

const BLOCK_BYTES = 1024 * 1024;
/** A beacon is at most half an interval, and 255 items. */
const BEACON_READ_BYTES = 80 * 1024;

export interface SsSource {
  readonly handle: FileHandle;
  readonly header: SsHeader;
}

/** @throws MillraceError CLIENT_FILE_FORMAT. */
export async function readSsHeader(handle: FileHandle): Promise<SsHeader> {
  return decodeSsHeader(await readAt(handle, 0, SS_HEADER_BYTES));
}

/** Bytes from `offset` on, fewer at the end of the file; owned by the caller. */
export async function readAt(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  // Plain: views of a Buffer are Buffers, which take twice as long to make.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, filled);
}

/** Items between two offsets of the file; an item that is not whole at `end` is left out. @throws CLIENT_FILE_CORRUPT. */
export async function* scanSs({ handle, header }: SsSource, offset: number, end: number): AsyncGenerator<SsItem> {
  const decoder = new SsDecoder(header.beaconInterval, offset);
  while (decoder.nextOffset < end) {
    const bytes = await readAt(handle, decoder.nextOffset, Math.min(BLOCK_BYTES, end - decoder.nextOffset));
    if (bytes.length === 0) return;
    decoder.push(bytes);
    for (let item = decoder.next(); item !== undefined; item = decoder.next()) yield item;
  }
}

/** Beacon number `index`, from 1. Undefined where the file ends before it does. @throws CLIENT_FILE_CORRUPT. */
export async function readBeacon({ handle, header }: SsSource, index: number): Promise<SsBeacon | undefined> {
  const offset = index * header.beaconInterval;
  const decoder = new SsDecoder(header.beaconInterval, offset);
  decoder.push(await readAt(handle, offset, Math.min(BEACON_READ_BYTES, header.beaconInterval)));
  const item = decoder.next();
  return item?.type === 'beacon' ? item.beacon : undefined;
}

/** What the system says, as our error. */
export function fileError(error: unknown, path: string, what: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return new MillraceError('CLIENT_TOPIC_NOT_FOUND', `There is no file ${path}.`, {
      details: { path },
      cause: error,
    });
  if (code === 'EEXIST')
    return new MillraceError(
      'CLIENT_OPTION_INVALID',
      `${path} is there already, and create=only says that it must not be.`,
      { details: { path }, cause: error },
    );
  return new MillraceError('CLIENT_FILE_IO', `${what} ${path} failed: ${message}`, { details: { path }, cause: error });
}
