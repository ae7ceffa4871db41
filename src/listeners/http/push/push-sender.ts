/** Makes the deliveries of pushes: reads, renders, calls, and tells what came of it. */
import { EventEmitter } from 'node:events';
import { asMillraceError } from '../../../base/errors.ts';
import type { PushOrder, PushOutcome, PushSender } from '../../../broker/push/api.ts';
import type { RecordCursor } from '../../../model/record-codec.ts';
import { collectAnswer } from '../answer.ts';
import { Collector } from '../collector.ts';
import type { HttpContext } from '../context.ts';
import { type PartitionPosition, positionAt } from '../position.ts';
import { RecordPlace, writeRecord } from '../record-output.ts';
import { type RenderRecord, TopicSource } from '../topic-source.ts';
import { type Resolve, sendWebhook } from '../webhook/send-webhook.ts';
import { parsePushAnswer } from './push-answer.ts';

export interface PushSenderOptions {
  /** Ends the calls that are under way. */
  readonly signal: AbortSignal;
  /** For tests: how names are resolved. */
  readonly resolve?: Resolve | undefined;
}

/** Records of one delivery, rendered. */
interface Piece {
  /** As JSON texts, with commas between them. */
  readonly records: string;
  readonly count: number;
  /** Of the first record; undefined where there is none. */
  readonly firstOffset: number | undefined;
  /** Behind the last. */
  readonly nextOffset: number;
  readonly endOffset: number;
  /** Offsets that were deleted before they could be delivered. */
  readonly lost: number;
}

export function pushSender(context: HttpContext, { signal, resolve }: PushSenderOptions): PushSender {
  const { broker } = context;
  return {
    async deliver(order) {
      let firstOffset: number | undefined;
      try {
        const piece = await readPiece(context, order);
        if (piece === undefined || signal.aborted) return { kind: 'ended' };
        ({ firstOffset } = piece);
        if (firstOffset === undefined) return { kind: 'empty', nextOffset: piece.nextOffset };
        const body = bodyOf(order, piece);
        const headers = {
          'content-type': 'application/json',
          'millrace-push': order.config.id,
          'webhook-signature': await broker.subscriptions.sign(body),
        };
        const { url, timeoutMs } = order.config;
        const answer = await sendWebhook({ url, body, headers, timeoutMs }, { clock: broker.clock, signal, resolve });
        if (signal.aborted) return { kind: 'ended' };
        return outcomeOf(order, piece, parsePushAnswer(answer));
      } catch (error) {
        const { code, message } = asMillraceError(error);
        return { kind: 'failed', reason: `${message} (${code})`, firstOffset };
      }
    },
  };
}

/** @returns undefined when the listener stops. @throws what reading gives. */
async function readPiece({ room }: HttpContext, order: PushOrder): Promise<Piece | undefined> {
  const { topic, partition, readOffset, config, maxRecords } = order;
  const from = Math.max(readOffset, partition.logStartOffset);
  const position = positionAt(topic, partition, from);
  let firstOffset: number | undefined;
  const place = new RecordPlace(topic.name, partition.index, config.format);
  const render: RenderRecord = ({ record }, into) => {
    const cursor = record as RecordCursor;
    firstOffset ??= cursor.offset;
    writeRecord(into, cursor, place);
  };
  const source = new TopicSource(room, { positions: [position], allPartitions: false, render });
  const limits = { records: maxRecords, bytes: config.maxBytes, waitMs: 0 };
  const collector = new Collector(limits, ',');
  const owner = new EventEmitter();
  try {
    const reading = room.enter(owner, false);
    if (!(await collectAnswer(room, reading, source, limits, collector))) return undefined;
    // Texts of deliveries are bounded by their own number, and must not hold up readers for as long as they take.
    room.budget.give(limits.bytes);
    if (reading.ended !== undefined) return undefined;
  } finally {
    owner.emit('close');
  }
  return pieceOf(position, collector, firstOffset, from - readOffset);
}

function pieceOf(
  { nextOffset, partition }: PartitionPosition,
  collector: Collector,
  firstOffset: number | undefined,
  lost: number,
): Piece {
  const { count } = collector;
  const endOffset = partition.lastStableOffset;
  return { records: collector.takeText(), count, firstOffset, nextOffset, endOffset, lost };
}

function bodyOf({ config, topic, partition, fromOffset, attempt }: PushOrder, piece: Piece): string {
  const head = {
    push: config.id,
    topic: topic.name,
    partition: partition.index,
    fromOffset,
    nextOffset: piece.nextOffset,
    endOffset: piece.endOffset,
    attempt,
    ...(piece.lost > 0 ? { lost: piece.lost } : {}),
  };
  return `${JSON.stringify(head).slice(0, -1)},"records":[${piece.records}]}`;
}

function outcomeOf(order: PushOrder, piece: Piece, answer: ReturnType<typeof parsePushAnswer>): PushOutcome {
  const { firstOffset, nextOffset, count } = piece;
  if (answer.kind === 'failed') return { kind: 'failed', reason: answer.reason, firstOffset };
  if (answer.kind === 'incorrect_base_offset') return { kind: 'rewound', offset: answer.offset };
  const offset = answer.offset ?? nextOffset;
  if (offset > nextOffset) {
    return { kind: 'failed', reason: `it accepted up to ${offset}, and was sent up to ${nextOffset}`, firstOffset };
  }
  if (offset <= order.fromOffset) {
    return { kind: 'failed', reason: `it accepted nothing: offset ${offset}`, firstOffset };
  }
  const recordCount = offset === nextOffset ? count : Math.max(0, offset - (firstOffset ?? offset));
  return { kind: 'accepted', offset, recordCount };
}
