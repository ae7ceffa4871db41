/**
 * Receives request bodies. Each is bounded, and so is the sum of all that are held at once: bytes are charged as they
 * arrive and given back when the answer is done or the client is gone.
 */
import type { IncomingMessage } from 'node:http';
import { MillraceError } from '../../base/errors.ts';
import type { ByteBudget } from './byte-budget.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly budget: ByteBudget;
}

/** What a request holds of the budget; whoever ends it gives that back. */
export interface BodyHolder {
  heldBytes: number;
}

/** @throws HTTP_BODY_TOO_LARGE, HTTP_OVERLOADED, HTTP_MEDIA_TYPE_UNSUPPORTED, CLIENT_ABORTED; the rest is not read. */
export function readBody(request: IncomingMessage, holder: BodyHolder, limits: BodyLimits): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? Number.NaN);
  const refusal = declaredRefusal(request, declared, limits);
  if (refusal !== undefined) return Promise.reject(refusal);
  return new Promise<Buffer>((resolve, reject) => {
    const pieces: Buffer[] = [];
    const finish = (error: MillraceError | undefined) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (error === undefined)
        resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, holder.heldBytes));
      else {
        pieces.length = 0;
        reject(error);
      }
    };
    const onData = (piece: Buffer) => {
      if (holder.heldBytes + piece.length > limits.maxBodyBytes) finish(tooLarge(limits.maxBodyBytes));
      else if (!limits.budget.tryTake(piece.length)) finish(overloaded());
      else {
        holder.heldBytes += piece.length;
        pieces.push(piece);
      }
    };
    const onEnd = () => finish(undefined);
    const onClose = () =>
      finish(new MillraceError('CLIENT_ABORTED', 'The client went away before its request was whole.'));
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** What the headers alone rule out, before a byte of the body is taken. */
function declaredRefusal(request: IncomingMessage, declared: number, limits: BodyLimits): MillraceError | undefined {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return new MillraceError(
      'HTTP_MEDIA_TYPE_UNSUPPORTED',
      `Content-Encoding ${JSON.stringify(encoding.slice(0, 40))} is not understood. Send the body without one.`,
    );
  }
  return declared > limits.maxBodyBytes ? tooLarge(limits.maxBodyBytes, declared) : undefined;
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
