/**
 * From the body of an append to record batches (docs/protocol.md, "How bytes map to records"): a JSON stream has one record
 * a message, any other one record an append, cut into pieces where it is larger than a batch may be.
 */
import type { BufferPool } from '../../../base/buffer-pool.ts';
import { asBuffer } from '../../../base/bytes.ts';
import { assert, MillraceError } from '../../../base/errors.ts';
import { type OwnedBatch, ownedBatch } from '../../../broker/streams/owned-batch.ts';
import {
  BatchBuilder,
  encodeValueBatch,
  valueBatchBytes,
  valuePosition,
  writeValueBatch,
} from '../../../model/batch-builder.ts';
import type { BodyParts } from '../body-parts.ts';
import type { PartLayout } from '../body-reader.ts';
import { JsonScan } from '../json-scan.ts';
import { bodyText } from '../record-input.ts';

export interface BodyLimits {
  /** `max.message.bytes` of the topic. */
  readonly maxBatchBytes: number;
  readonly maxRecords: number;
  /** For large batches. */
  readonly pool: BufferPool;
}

/** Smaller batches are copied by the journal and gone at once. */
const MIN_POOLED_BYTES = 64 * 1024;

/** Of parts: larger ones hold more than comes soon, smaller ones are not worth the work. */
const MIN_PART_BYTES = 64 * 1024;
const MAX_PART_BYTES = 1024 * 1024;

/** Batch header, and length, timestamp, offset and header fields of one record, at their longest. */
const OVERHEAD_BYTES = 128;

/** Size of the records that a large append is cut into. */
export function pieceBytes(maxBatchBytes: number): number {
  return Math.max(1, maxBatchBytes - OVERHEAD_BYTES);
}

/** Parts that end where batches of the usual size end are not copied into them, but become them (`ownBatch`). */
export function partLayout(maxBatchBytes: number): PartLayout {
  const size = pieceBytes(maxBatchBytes);
  return {
    partBytes: size < MIN_PART_BYTES || size > MAX_PART_BYTES ? MAX_PART_BYTES : size,
    frame: (partBytes) => ({ beforeBytes: valuePosition(partBytes), behindBytes: 1 }),
  };
}

/**
 * Takes the body, whose memory is given back or becomes that of batches: nobody may look at it afterwards.
 *
 * @returns batches to be released by the caller.
 * @throws MODEL_BATCH_TOO_LARGE for a JSON message that fits no batch, HTTP_JSON_INVALID, HTTP_BODY_TOO_LARGE.
 */
export function takeBody(body: BodyParts, isJson: boolean, now: number, limits: BodyLimits): OwnedBatch[] {
  try {
    if (!isJson) return pieces(body, now, limits);
    const messages = jsonMessages(body.whole(), limits.maxRecords);
    return valueBatches(messages, now, limits.maxBatchBytes).map(ownedBatch);
  } finally {
    body.release();
  }
}

/** Batches of one record each, as large as they may be but for the last. */
function pieces(body: BodyParts, now: number, { maxBatchBytes, pool }: BodyLimits): OwnedBatch[] {
  const batches: OwnedBatch[] = [];
  const size = pieceBytes(maxBatchBytes);
  for (let left = body.sizeBytes; left > 0; left -= size) {
    const valueBytes = Math.min(size, left);
    batches.push(ownBatch(body, valueBytes, now) ?? pieceBatch(body.take(size), valueBytes, now, pool));
    // Its memory may be that of the next batch.
    body.passed();
  }
  return batches;
}

/** Around the value where it was received. @returns undefined where it was not received as one part with room for that. */
function ownBatch(body: BodyParts, valueBytes: number, now: number): OwnedBatch | undefined {
  const part = body.takePart(valueBytes);
  if (part === undefined) return undefined;
  const { lease } = part;
  const position = part.bytes.byteOffset - lease.bytes.byteOffset;
  assert(position === valuePosition(valueBytes), `a part of ${valueBytes} bytes lies at ${position}`);
  const bytes = asBuffer(lease.bytes.subarray(0, valueBatchBytes(valueBytes)));
  return { bytes: writeValueBatch(bytes, undefined, valueBytes, now), lease };
}

function pieceBatch(parts: readonly Buffer[], valueBytes: number, now: number, pool: BufferPool): OwnedBatch {
  const sizeBytes = valueBatchBytes(valueBytes);
  const [only] = parts;
  if (sizeBytes < MIN_POOLED_BYTES && parts.length === 1 && only !== undefined) {
    return ownedBatch(encodeValueBatch(only, now));
  }
  const lease = pool.acquire(sizeBytes);
  const bytes = asBuffer(lease.bytes.subarray(0, sizeBytes));
  return { bytes: writeValueBatch(bytes, parts, valueBytes, now), lease };
}

/** @returns batches that are owned by the caller. */
function valueBatches(values: Iterable<string | Uint8Array>, timestamp: number, maxBatchBytes: number): Uint8Array[] {
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

/** Used again and again: its buffer has grown to the largest batch by then. Only ever in use inside one call. */
let spare: { readonly maxBatchBytes: number; readonly builder: BatchBuilder } | undefined;

function takeBuilder(maxBatchBytes: number): BatchBuilder {
  if (spare?.maxBatchBytes !== maxBatchBytes) {
    spare = { maxBatchBytes, builder: new BatchBuilder({ maxBytes: maxBatchBytes }) };
  }
  return spare.builder;
}
