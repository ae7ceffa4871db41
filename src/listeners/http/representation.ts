/** How an answer or a stream writes the records it gives: as JSON, or as values and nothing else. */
import { asBuffer } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import { type Framing, NDJSON_FRAMING, NO_FRAME } from './framing.ts';
import { LINES, lineEndingOf, SIZED } from './record-media.ts';
import { type RecordFormat, RecordPlaces, writeRecord } from './record-output.ts';
import type { PartitionWalk } from './record-walk.ts';
import type { RenderRecord } from './topic-source.ts';

export interface Representation {
  readonly contentType: string;
  /** Whether it is UTF-8, and not values as they are. */
  readonly isText: boolean;
  readonly render: RenderRecord;
}

/** Every record is one line of NDJSON; in an array of JSON the line break is white space. */
export function jsonLines(topic: string, format: RecordFormat = 'text'): Representation {
  const places = new RecordPlaces(topic, format);
  return {
    contentType: NDJSON_FRAMING.contentType,
    isText: true,
    render: ({ record, position }, into) => {
      writeRecord(into, record as RecordCursor, places.of(position.partition.index));
      into.text('\n');
    },
  };
}

/** Values, each ended by the line ending that the Accept header asks for; one without a value is an empty line. */
export function valueLines(accept: string | undefined): Representation {
  const lineEnding = lineEndingOf(accept, 'accept');
  const name = lineEnding === '\n' ? 'lf' : lineEnding === '\r' ? 'cr' : 'crlf';
  return {
    contentType: `${LINES}; line-ending=${name}`,
    isText: false,
    render: (walk, into) => {
      const { value } = walk.record as RecordCursor;
      if (value !== null) {
        // Read back, it would be two records.
        if (asBuffer(value).includes(lineEnding)) throw notOneLine(walk, name);
        into.raw(value);
      }
      into.text(lineEnding);
    },
  };
}

const SIZE = Buffer.alloc(4);

/** Sizes (i32, big-endian; -1 for no value) and values. */
export const SIZED_VALUES: Representation = {
  contentType: SIZED,
  isText: false,
  render: ({ record }, into) => {
    const { value } = record as RecordCursor;
    SIZE.writeInt32BE(value?.length ?? -1);
    into.raw(SIZE);
    if (value !== null) into.raw(value);
  },
};

/** A stream of values has no room for anything else: a fault cuts the connection, so that it is not taken for the end. */
export function valueFraming({ contentType }: Representation): Framing {
  return { ...NO_FRAME, contentType, heartbeat: () => '', failure: () => undefined };
}

function notOneLine({ record, position }: PartitionWalk, name: string): MillraceError {
  const { offset } = record as RecordCursor;
  const { topic, partition } = position;
  return new MillraceError(
    'HTTP_NOT_ACCEPTABLE',
    `The record of ${topic.name}, partition ${partition.index}, at offset ${offset} has a line ending (${name}) in its value ` +
      `and is no line. Accept ${SIZED} or JSON, or go on behind it with offset=${offset + 1}.`,
    { details: { topic: topic.name, partition: partition.index, offset, nextOffset: offset + 1 } },
  );
}
