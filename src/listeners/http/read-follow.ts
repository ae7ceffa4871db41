/** A read that does not end: records as they come, as NDJSON, Server-Sent Events, or values and nothing else. */
import type { FastifyReply } from 'fastify';
import { MillraceError } from '../../base/errors.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import { mediaType, negotiate } from './accept.ts';
import { beginStream, follow } from './follow.ts';
import { EVENT_FRAMING, type Framing, NDJSON_FRAMING } from './framing.ts';
import { formatOffsets, type PartitionPosition } from './position.ts';
import { quotaClientOf } from './quota.ts';
import { positionsOf, type ReadCall } from './read-request.ts';
import { MEDIA } from './record-media.ts';
import { RecordPlaces, writeRecord } from './record-output.ts';
import type { PartitionWalk } from './record-walk.ts';
import { jsonLines, SIZED_VALUES, valueFraming, valueLines } from './representation.ts';
import type { TextBuffer } from './text-buffer.ts';
import { type RenderRecord, TopicSource } from './topic-source.ts';

const VALUES = Object.entries(MEDIA).filter(([, media]) => media === 'lines' || media === 'sized');
const STREAM_TYPES = [
  NDJSON_FRAMING.contentType,
  'application/jsonl',
  EVENT_FRAMING.contentType,
  ...VALUES.map(([type]) => type),
];

interface StreamForm {
  readonly framing: Framing;
  readonly render: RenderRecord;
  /** Names all that the text depends on besides the record. */
  readonly form: string;
}

export async function followRead(call: ReadCall): Promise<FastifyReply> {
  const { context, request, reply, query } = call;
  if (request.method === 'HEAD') {
    throw new MillraceError('HTTP_REQUEST_INVALID', 'HEAD does not go with `follow`, which has no end.');
  }
  let positions: PartitionPosition[] = [];
  const { framing, render, form } = streamForm(call, () => positions);
  // Before the first await: a client that leaves during it must be noticed.
  const reading = context.room.enter(reply.raw, true, quotaClientOf(request.raw));
  positions = await positionsOf(call);
  const allPartitions = query.partition === 'all' || (query.group !== undefined && query.partition === undefined);
  const source = new TopicSource(context.room, { positions, allPartitions, render, form });
  const limit = query.limit ?? query.first ?? Number.POSITIVE_INFINITY;
  beginStream(reply, framing);
  // Not waited for: request and reply would be kept as long as it goes on.
  void follow(context.room, reading, reply.raw, { source, framing, limit });
  return reply;
}

/** @throws HTTP_NOT_ACCEPTABLE. */
function streamForm({ request, query, topic }: ReadCall, positions: () => readonly PartitionPosition[]): StreamForm {
  const { accept } = request.headers;
  const type = negotiate(accept, STREAM_TYPES);
  if (type === undefined) {
    throw new MillraceError('HTTP_NOT_ACCEPTABLE', `A follow is ${STREAM_TYPES.join(', ')}. Accept one of them.`);
  }
  if (type === EVENT_FRAMING.contentType) {
    const { format = 'text' } = query;
    const places = new RecordPlaces(topic.name, format);
    const render: RenderRecord = (walk, into) => writeEvent(into, walk, places, positions());
    return { framing: EVENT_FRAMING, render, form: `events ${format}` };
  }
  const media = MEDIA[mediaType(type)];
  if (media === 'lines' || media === 'sized') {
    const values = media === 'lines' ? valueLines(accept) : SIZED_VALUES;
    return { framing: valueFraming(values), render: values.render, form: values.contentType };
  }
  const { render } = jsonLines(topic.name, query.format);
  return { framing: NDJSON_FRAMING, render, form: `ndjson ${query.format ?? 'text'}` };
}

/** NDJSON says with its members where a record stands; an event says it in its id, for the browser to send back. */
function writeEvent(
  into: TextBuffer,
  { record, position }: PartitionWalk,
  places: RecordPlaces,
  positions: readonly PartitionPosition[],
): void {
  const cursor = record as RecordCursor;
  const { id, end } = EVENT_FRAMING;
  into.text(`${id.before}${nextOffsets(positions, position, cursor.offset + 1)}${id.after}`);
  writeRecord(into, cursor, places.of(position.partition.index));
  into.text(end);
}

/** Where to go on behind a record that is about to be delivered, as `offsets` takes it. */
function nextOffsets(positions: readonly PartitionPosition[], moving: PartitionPosition, nextOffset: number): string {
  return formatOffsets(positions.map((position) => (position === moving ? { ...position, nextOffset } : position)));
}
