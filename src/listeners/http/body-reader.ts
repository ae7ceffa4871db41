/**
 * Receives request bodies. Each is bounded, and so is the sum of all that are held at once: bytes are charged as they
 * arrive, or all that were declared with the first of them, and given back when the answer is done or the client is gone.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { BufferPool, Lease } from '../../base/buffer-pool.ts';
import { asBuffer } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import type { ByteBudget } from './byte-budget.ts';
import { codingOf, decoder } from './content-coding.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly budget: ByteBudget;
  /** For bodies whose user gives their memory back (`BodyHolder.lease`); undefined: they are left to the collector. */
  readonly pool?: BufferPool | undefined;
}

/** What a request holds of the budget; whoever ends it gives that back. */
export interface BodyHolder {
  heldBytes: number;
  /**
   * Memory of the body, where it came from a pool. `releaseBody` is for whoever used the body, once nobody looks at it any
   * more; where that is forgotten the collector takes it.
   */
  lease?: Lease | undefined;
}

/** The body is not looked at any more. Who linked its memory elsewhere has retained it. Safe to call twice. */
export function releaseBody(holder: BodyHolder): void {
  holder.lease?.release();
  holder.lease = undefined;
}

/**
 * A body lands where it begins with so large a share of itself, so that clients which declare much and send little hold little. Most of
 * up to 512 KiB do, since a socket is read 64 KiB at a time; larger ones are put together when they are whole.
 */
const MAX_TIMES_FIRST_PIECE = 8;

/**
 * A body in gzip or zstd is opened as it arrives; the limits are for what it opens to, so that a few kilobytes which
 * stand for gigabytes are refused when they pass them.
 *
 * @throws HTTP_BODY_TOO_LARGE, HTTP_OVERLOADED, HTTP_MEDIA_TYPE_UNSUPPORTED, HTTP_REQUEST_INVALID (the coding is broken),
 *   CLIENT_ABORTED; the rest is not read.
 */
export function readBody(request: IncomingMessage, holder: BodyHolder, limits: BodyLimits): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? Number.NaN);
  const coding = codingOf(request.headers['content-encoding']);
  if (coding === null) return Promise.reject(codingRefusal(request));
  if (declared > limits.maxBodyBytes) return Promise.reject(tooLarge(limits.maxBodyBytes, declared));
  const opened = coding === undefined ? undefined : decoder(coding);
  const source: Readable = opened ?? request;
  return new Promise<Buffer>((resolve, reject) => {
    const pieces: Buffer[] = [];
    let landedBytes = 0;
    const finish = (error: MillraceError | undefined) => {
      request.off('close', onClose).off('error', onClose);
      source.off('data', onData).off('end', onEnd);
      if (opened !== undefined) {
        request.unpipe(opened);
        // What comes after this is of no interest, and must not end the process.
        opened.on('error', () => {});
        opened.destroy();
      }
      if (error === undefined) {
        if (holder.lease !== undefined) resolve(asBuffer(holder.lease.bytes.subarray(0, landedBytes)));
        else resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, holder.heldBytes));
      } else {
        pieces.length = 0;
        releaseBody(holder);
        reject(error);
      }
    };
    /** Copies the piece to where the body is to be, if it has a place. */
    const lands = (piece: Buffer): boolean => {
      const { lease } = holder;
      if (lease === undefined || landedBytes + piece.length > holder.heldBytes) return false;
      lease.bytes.set(piece, landedBytes);
      landedBytes += piece.length;
      return true;
    };
    const onData = (piece: Buffer) => {
      if (lands(piece)) return;
      // The first of several, of a body whose size is known: charged whole, since it takes its memory now.
      const isFirst = opened === undefined && holder.heldBytes === 0 && piece.length < declared;
      const isLarge = declared <= MAX_TIMES_FIRST_PIECE * piece.length;
      if (isFirst && isLarge && limits.pool !== undefined && limits.budget.tryTake(declared)) {
        holder.heldBytes = declared;
        holder.lease = limits.pool.acquire(declared);
        lands(piece);
      } else if (holder.heldBytes + piece.length > limits.maxBodyBytes) finish(tooLarge(limits.maxBodyBytes));
      else if (!limits.budget.tryTake(piece.length)) finish(overloaded());
      else {
        holder.heldBytes += piece.length;
        pieces.push(piece);
      }
    };
    const onEnd = () => finish(undefined);
    const onClose = () => {
      // A request that came whole closes too, and what it holds may still be being opened.
      if (opened === undefined || !request.complete) finish(clientGone());
    };
    source.on('data', onData).on('end', onEnd);
    request.on('close', onClose).on('error', onClose);
    if (opened === undefined) return;
    opened.on('error', () => finish(brokenCoding(coding)));
    request.pipe(opened);
  });
}

function codingRefusal(request: IncomingMessage): MillraceError {
  const shown = JSON.stringify((request.headers['content-encoding'] ?? '').slice(0, 40));
  return new MillraceError(
    'HTTP_MEDIA_TYPE_UNSUPPORTED',
    `Content-Encoding ${shown} is not understood. Send gzip, zstd, or the body without one.`,
  );
}

function brokenCoding(coding: string | undefined): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `The body is not what Content-Encoding says: ${coding}.`, {
    details: { in: 'headers', name: 'content-encoding' },
  });
}

function clientGone(): MillraceError {
  return new MillraceError('CLIENT_ABORTED', 'The client went away before its request was whole.');
}

function tooLarge(maxBytes: number, sizeBytes?: number): MillraceError {
  const what = sizeBytes === undefined ? 'The body' : `The body of ${sizeBytes} bytes`;
  return new MillraceError('HTTP_BODY_TOO_LARGE', `${what} exceeds the limit of ${maxBytes} bytes. Split it.`, {
    details: { maxBytes, ...(sizeBytes === undefined ? {} : { sizeBytes }) },
  });
}

function overloaded(): MillraceError {
  return new MillraceError('HTTP_OVERLOADED', 'Too many request bodies are being received at once. Try again later.');
}
