/** From a `subscribe` message to where its records come from, and how its place is written. */
import { MillraceError } from '../../base/errors.ts';
import { parseCursor } from '../../broker/subscriptions/cursor.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import { TopicPattern } from '../../model/topic-pattern.ts';
import type { HttpContext } from '../http/context.ts';
import { findTopic } from '../http/find-topic.ts';
import { NO_FRAME } from '../http/framing.ts';
import {
  checkReadQuery,
  formatOffsets,
  OFFSET_FORM,
  OFFSETS_FORM,
  PARTITION_FORM,
  startPositions,
} from '../http/position.ts';
import { RecordPlaces, writeRecord } from '../http/record-output.ts';
import type { RecordSource } from '../http/record-source.ts';
import type { ReadQuery } from '../http/schemas.ts';
import { SubscriptionSource } from '../http/subscription-source.ts';
import { TopicSource } from '../http/topic-source.ts';
import type { SubscribeMessage } from './text-messages.ts';

const PARTITION = new RegExp(PARTITION_FORM);
const OFFSET = new RegExp(OFFSET_FORM);
const OFFSETS = new RegExp(OFFSETS_FORM);

export interface PlacedSource {
  readonly source: RecordSource;
  /** Where to go on behind what was read: `cursor`, or `offsets`. */
  readonly place: () => string;
}

/** @throws HTTP_REQUEST_INVALID, MODEL_TOPIC_PATTERN_INVALID, BROKER_CURSOR_*, BROKER_TOPIC_NOT_FOUND... */
export async function openSource(context: HttpContext, message: SubscribeMessage): Promise<PlacedSource> {
  const { match, topic } = message;
  if ((match === undefined) === (topic === undefined)) throw refuse('Give `match` (globs) or `topic` (one of them).');
  return match === undefined ? await topicSource(context, message) : await globSource(context, message);
}

async function globSource({ broker, room }: HttpContext, message: SubscribeMessage): Promise<PlacedSource> {
  const { match = [], cursor = 'latest', format = 'json' } = message;
  for (const name of ['partition', 'offset', 'offsets'] as const) {
    if (message[name] !== undefined) throw refuse(`\`${name}\` goes with \`topic\`, not with \`match\`.`);
  }
  const patterns = (typeof match === 'string' ? [match] : match).map((text) => new TopicPattern(text));
  const start = cursor === 'earliest' || cursor === 'latest' ? cursor : parseCursor(cursor);
  const subscription = broker.subscribe({ patterns, start, readCommitted: true });
  const source = new SubscriptionSource(room, subscription, format, NO_FRAME);
  await source.begin();
  return { source, place: () => source.cursor ?? cursor };
}

async function topicSource(context: HttpContext, message: SubscribeMessage): Promise<PlacedSource> {
  const { partition, offset, offsets, format = 'json' } = message;
  if (message.cursor !== undefined) throw refuse('`cursor` goes with `match`, not with `topic`.');
  const topic = findTopic(context.broker, message.topic ?? '');
  const query: ReadQuery = {
    ...(offsets === undefined ? { partition: String(partition ?? 'all') } : { offsets }),
    ...(offset === undefined && offsets === undefined ? { offset: 'latest' } : {}),
    ...(offset === undefined ? {} : { offset: String(offset) }),
  };
  checkReadQuery(query);
  if (!PARTITION.test(query.partition ?? 'all')) throw refuse('`partition` must be a number or all.');
  if (!OFFSET.test(query.offset ?? 'latest')) throw refuse('`offset` must be a number from 0, earliest or latest.');
  if (!OFFSETS.test(offsets ?? '0:0')) throw refuse('`offsets` must be pairs like 0:17,2:5.');
  const places = new RecordPlaces(topic.name, format);
  const source = new TopicSource(context.room, {
    positions: await startPositions(context.broker, topic, query),
    allPartitions: partition === undefined || partition === 'all',
    render: ({ record, position }, into) => {
      writeRecord(into, record as RecordCursor, places.of(position.partition.index));
    },
  });
  return { source, place: () => formatOffsets(source.positions) };
}

function refuse(message: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', message);
}
