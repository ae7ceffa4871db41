/**
 * Receives request bodies. Each is bounded, and so is the sum of all that are held at once: bytes are charged as they
 * arrive, or all that were declared with the first of them, and given back when the answer is done or the client is gone.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { BufferPool } from '../../base/buffer-pool.ts';
import { MillraceError } from '../../base/errors.ts';
import { minorCollections } from '../../base/minor-collections.ts';
import { BodyParts } from './body-parts.ts';
import type { ByteBudget } from './byte-budget.ts';
import { codingOf, decoder } from './content-coding.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly budget: ByteBudget;
  /** For bodies whose user gives their memory back (`releaseBody`); undefined: they are left to the collector. */
  readonly pool?: BufferPool | undefined;
}

/** What a request holds of the budget; whoever ends it gives that back. */
export interface BodyHolder {
  heldBytes: number;
  /**
   * What was received. `releaseBody` is for whoever used it, once nobody looks at it any more; where that is forgotten the
   * collector takes it.
   */
  body?: BodyParts | undefined;
}

/** The body is not looked at any more. Who linked its memory elsewhere has retained it. Safe to call twice. */
export function releaseBody(holder: BodyHolder): void {
  holder.body?.release();
  holder.body = undefined;
}

/** How a body is laid into memory. */
export interface PartLayout {
  /** Most bytes of a part; each has so many, but the last. */
  readonly partBytes: number;
  /** Memory before and behind the bytes of a part, so that it can become something larger where it lies. */
  frame(partBytes: number): PartFrame;
}

export interface PartFrame {
  readonly beforeBytes: number;
  readonly behindBytes: number;
}

/**
 * Memory is taken for so many times what came, and not for all that was declared, so that clients which declare much and send
 * little hold little. What comes before it is enough for a part is copied into that.
 */
const MAX_TIMES_RECEIVED = 8;

/** As `readParts`, side by side: bodies that do not land where they begin are copied together when they are whole. */
export async function readBody(request: IncomingMessage, holder: BodyHolder, limits: BodyLimits): Promise<Buffer> {
  const parts = await receive(request, holder, limits, undefined);
  return parts.whole();
}

/**
 * A body in gzip or zstd is opened as it arrives; the limits are for what it opens to, so that a few kilobytes which
 * stand for gigabytes are refused when they pass them.
 *
 * @throws HTTP_BODY_TOO_LARGE, HTTP_OVERLOADED, HTTP_MEDIA_TYPE_UNSUPPORTED, HTTP_REQUEST_INVALID (the coding is broken),
 *   CLIENT_ABORTED; the rest is not read.
 */
export function readParts(
  request: IncomingMessage,
  holder: BodyHolder,
  limits: BodyLimits,
  layout: PartLayout,
): Promise<BodyParts> {
  return receive(request, holder, limits, layout);
}

function receive(
  request: IncomingMessage,
  holder: BodyHolder,
  limits: BodyLimits,
  layout: PartLayout | undefined,
): Promise<BodyParts> {
  const declared = Number(request.headers['content-length'] ?? Number.NaN);
  const coding = codingOf(request.headers['content-encoding']);
  if (coding === null) return Promise.reject(codingRefusal(request));
  if (declared > limits.maxBodyBytes) return Promise.reject(tooLarge(limits.maxBodyBytes, declared));
  const opened = coding === undefined ? undefined : decoder(coding);
  const source: Readable = opened ?? request;
  return new Promise<BodyParts>((resolve, reject) => {
    const body = new BodyParts();
    holder.body = body;
    const landing = new Landing(body, holder, limits, {
      declared: opened === undefined ? declared : Number.NaN,
      layout,
    });
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
        resolve(body);
      } else {
        releaseBody(holder);
        reject(error);
      }
    };
    const onData = (piece: Buffer) => {
      const rest = landing.take(piece);
      if (rest.length === 0) return;
      if (holder.heldBytes + rest.length > limits.maxBodyBytes) finish(tooLarge(limits.maxBodyBytes));
      else if (!limits.budget.tryTake(rest.length)) finish(overloaded());
      else {
        holder.heldBytes += rest.length;
        body.add(rest);
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

/** Copies what comes to memory of the pool, charged when it is taken, so that what the socket was read into is free at once. */
class Landing {
  readonly #body: BodyParts;
  readonly #holder: BodyHolder;
  readonly #limits: BodyLimits;
  readonly #declared: number;
  readonly #layout: PartLayout;
  #begun = false;
  #room: Buffer = NO_ROOM;

  /** @param declared size of the body; NaN: nobody knows. @param layout undefined: one part, or none. */
  constructor(
    body: BodyParts,
    holder: BodyHolder,
    limits: BodyLimits,
    { declared, layout }: { readonly declared: number; readonly layout: PartLayout | undefined },
  ) {
    this.#body = body;
    this.#holder = holder;
    this.#limits = limits;
    this.#declared = declared;
    this.#layout = layout ?? ONE_PART;
  }

  /** @returns what has no place here. */
  take(piece: Buffer): Buffer {
    let rest = piece;
    while (rest.length > 0) {
      if (this.#room.length === 0 && !this.#makeRoom(rest.length)) return rest;
      const count = rest.copy(this.#room);
      this.#room = this.#room.subarray(count);
      rest = rest.subarray(count);
      minorCollections.dropped(count);
    }
    return rest;
  }

  #makeRoom(cameBytes: number): boolean {
    const { pool, budget } = this.#limits;
    const receivedBytes = this.#body.sizeBytes;
    const earlyBytes = this.#begun ? 0 : receivedBytes;
    const sizeBytes = Math.min(this.#declared - receivedBytes + earlyBytes, this.#layout.partBytes);
    const isWhole = receivedBytes === 0 && this.#declared <= cameBytes;
    if (pool === undefined || isWhole || !(sizeBytes > earlyBytes)) return false;
    if (sizeBytes > MAX_TIMES_RECEIVED * (receivedBytes + cameBytes) || !budget.tryTake(sizeBytes)) return false;
    budget.give(earlyBytes);
    this.#holder.heldBytes += sizeBytes - earlyBytes;
    const { beforeBytes, behindBytes } = this.#layout.frame(sizeBytes);
    const lease = pool.acquire(beforeBytes + sizeBytes + behindBytes);
    this.#room = this.#begun
      ? this.#body.addRoom(lease, sizeBytes, beforeBytes)
      : this.#body.gather(lease, sizeBytes, beforeBytes);
    this.#begun = true;
    return true;
  }
}

const NO_FRAME: PartFrame = { beforeBytes: 0, behindBytes: 0 };
const ONE_PART: PartLayout = { partBytes: Number.POSITIVE_INFINITY, frame: () => NO_FRAME };
const NO_ROOM = Buffer.alloc(0);

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
