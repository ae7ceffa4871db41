/**
 * From the body of an append to record batches (docs/protocol.md, "How bytes map to records"): a JSON stream has one record
 * a message, any other one record an append, cut into pieces where it is larger than a batch may be.
 */
import { MillraceError } from '../../../base/errors.ts';
import { BatchBuilder, encodeValueBatch } from '../../../model/batch-builder.ts';
import { type BodyHolder, releaseBody } from '../body-reader.ts';
import { JsonScan } from '../json-scan.ts';
import { bodyText } from '../record-input.ts';

export interface BodyLimits {
  /** `max.message.bytes` of the topic. */
  readonly maxBatchBytes: number;
  readonly maxRecords: number;
}

/** Batch header, and length, timestamp, offset and header fields of one record, at their longest. */
const OVERHEAD_BYTES = 128;

/** Size of the records that a large append is cut into. */
export function pieceBytes(maxBatchBytes: number): number {
  return Math.max(1, maxBatchBytes - OVERHEAD_BYTES);
}

/**
 * Copies what it takes of the body, whose memory is given back: nobody may look at it afterwards.
 *
 * @throws as `bodyBatches`.
 */
export function takeBody(
  held: BodyHolder,
  body: Buffer,
  isJson: boolean,
  now: number,
  limits: BodyLimits,
): Uint8Array[] {
  try {
    return bodyBatches(body, isJson, now, limits);
  } finally {
    releaseBody(held);
  }
}

/** @throws MODEL_BATCH_TOO_LARGE for a JSON message that fits no batch, HTTP_JSON_INVALID, HTTP_BODY_TOO_LARGE. */
function bodyBatches(body: Buffer, isJson: boolean, now: number, limits: BodyLimits): Uint8Array[] {
  if (isJson) return valueBatches(jsonMessages(body, limits.maxRecords), now, limits.maxBatchBytes);
  return [...pieces(body, limits)].map((piece) => encodeValueBatch(piece, now));
}

/** @returns batches that are owned by the caller. */
export function valueBatches(
  values: Iterable<string | Uint8Array>,
  timestamp: number,
  maxBatchBytes: number,
): Uint8Array[] {
  const builder = takeBuilder(maxBatchBytes);
  const batches: Uint8Array[] = [];
  try {
    for (const value of values) {
      if (builder.add({ value, timestamp })) continue;
      batches.push(builder.build());
      builder.add({ value, timestamp });
    }
    if (builder.recordCount > 0) batches.push(builder.build());
    return batches;
  } finally {
    builder.reset();
  }
}

/** Their text as it was sent, so that large numbers and the order of members stay. One level of an array is flattened. */
function* jsonMessages(body: Buffer, maxRecords: number): Generator<string, void, undefined> {
  const scan = new JsonScan(bodyText(body));
  if (scan.isArray) {
    let count = 0;
    for (const _ of scan.elements()) {
      count += 1;
      if (count > maxRecords) {
        throw new MillraceError('HTTP_BODY_TOO_LARGE', `An append takes ${maxRecords} messages at most. Split it.`, {
          details: { maxRecords },
        });
      }
      yield scan.value();
    }
  } else yield scan.value();
  scan.finish();
}

function* pieces(body: Buffer, { maxBatchBytes }: BodyLimits): Generator<Uint8Array, void, undefined> {
  const size = pieceBytes(maxBatchBytes);
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

/** Used again and again: its buffer has grown to the largest batch by then. Only ever in use inside one call. */
let spare: { readonly maxBatchBytes: number; readonly builder: BatchBuilder } | undefined;

function takeBuilder(maxBatchBytes: number): BatchBuilder {
  if (spare?.maxBatchBytes !== maxBatchBytes) {
    spare = { maxBatchBytes, builder: new BatchBuilder({ maxBytes: maxBatchBytes }) };
  }
  return spare.builder;
}
