/** How an answer or a stream writes the records it gives: as JSON, or as values and nothing else. */
import { asBuffer } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import type { Framing } from './framing.ts';
import { NDJSON_FRAMING } from './framing.ts';
import { LINES, lineEndingOf, SIZED } from './record-media.ts';
import { type RecordFormat, recordJson } from './record-output.ts';
import type { PartitionWalk } from './record-walk.ts';

export interface Representation {
  readonly contentType: string;
  /** Texts of one character a byte where the values are bytes: joined and sent as such. */
  readonly encoding: 'utf8' | 'latin1';
  readonly render: (walk: PartitionWalk) => string;
}

/** Every record is one line of NDJSON; in an array of JSON the line break is white space. */
export function jsonLines(topic: string, format: RecordFormat = 'text'): Representation {
  const topicJson = JSON.stringify(topic);
  return {
    contentType: NDJSON_FRAMING.contentType,
    encoding: 'utf8',
    render: ({ record, position }) =>
      `${recordJson(record as RecordCursor, topicJson, position.partition.index, format)}\n`,
  };
}

/** Values, each ended by the line ending that the Accept header asks for; one without a value is an empty line. */
export function valueLines(accept: string | undefined): Representation {
  const lineEnding = lineEndingOf(accept, 'accept');
  const name = lineEnding === '\n' ? 'lf' : lineEnding === '\r' ? 'cr' : 'crlf';
  return {
    contentType: `${LINES}; line-ending=${name}`,
    encoding: 'latin1',
    render: (walk) => {
      const text = valueText(walk);
      // Read back, it would be two records.
      if (text.includes(lineEnding)) throw notOneLine(walk, name);
      return text + lineEnding;
    },
  };
}

const SIZE = Buffer.alloc(4);

/** Sizes (i32, big-endian; -1 for no value) and values. */
export const SIZED_VALUES: Representation = {
  contentType: SIZED,
  encoding: 'latin1',
  render: (walk) => {
    const { record } = walk;
    SIZE.writeInt32BE((record as RecordCursor).value?.length ?? -1);
    return SIZE.toString('latin1') + valueText(walk);
  },
};

/** A stream of values has no room for anything else: a fault cuts the connection, so that it is not taken for the end. */
export function valueFraming({ contentType, encoding }: Representation): Framing {
  return { contentType, encoding, record: (text) => text, heartbeat: () => '', failure: () => undefined };
}

function valueText({ record }: PartitionWalk): string {
  const { value } = record as RecordCursor;
  return value === null ? '' : asBuffer(value).toString('latin1');
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
