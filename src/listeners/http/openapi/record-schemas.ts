/** Schemas of what is read off the text by hand (`record-input.ts`, `commit-input.ts`) and written by hand (`record-output.ts`). */
import { array, INTEGER, object, ProduceAnswer, STRING } from '../schemas.ts';

const NULLABLE = { type: ['string', 'null'] } as const;
const BASE64 = { type: ['string', 'null'], contentEncoding: 'base64' } as const;
const TIME = { type: ['integer', 'string'], description: 'Milliseconds since 1970, or ISO 8601 with a zone.' } as const;

const HeaderInput = object({ name: STRING, value: NULLABLE, valueBase64: BASE64 }, ['name']);

/** One of `value`, `valueText`, `valueBase64`. */
export const RecordInput = {
  ...object(
    {
      value: { description: 'Any JSON, stored as its text; with `format=text` a string or null.' },
      valueText: NULLABLE,
      valueBase64: BASE64,
      key: NULLABLE,
      keyBase64: BASE64,
      headers: { oneOf: [{ type: 'object', additionalProperties: NULLABLE }, array(HeaderInput)] },
      timestamp: TIME,
      partition: { type: ['integer', 'null'], minimum: 0 },
      topic: { description: 'Not looked at: what was read can be written.' },
      offset: { description: 'Not looked at.' },
    },
    [],
  ),
  oneOf: [{ required: ['value'] }, { required: ['valueText'] }, { required: ['valueBase64'] }],
} as const;

export const RecordsInput = { oneOf: [RecordInput, array(RecordInput)] } as const;

const HeaderView = object({ name: STRING, value: NULLABLE, valueBase64: STRING }, ['name']);

export const RecordView = {
  type: 'object',
  properties: {
    topic: STRING,
    partition: INTEGER,
    offset: INTEGER,
    timestamp: INTEGER,
    key: NULLABLE,
    keyBase64: STRING,
    value: { description: 'Text, or with `format=json` any JSON; null where there is no value.' },
    valueText: STRING,
    valueBase64: STRING,
    headers: array(HeaderView),
  },
  required: ['topic', 'partition', 'offset', 'timestamp', 'headers'],
} as const;

const PositionView = object(
  { partition: INTEGER, nextOffset: INTEGER, highWatermark: INTEGER, logStartOffset: INTEGER },
  ['partition', 'nextOffset', 'highWatermark', 'logStartOffset'],
);

export const ReadAnswer = object(
  {
    topic: STRING,
    records: array(RecordView),
    nextOffset: INTEGER,
    highWatermark: INTEGER,
    logStartOffset: INTEGER,
    partitions: array(PositionView),
  },
  ['topic', 'records', 'partitions'],
);

export const SubscribeAnswer = object({ records: array(RecordView), cursor: NULLABLE }, ['records', 'cursor']);

export const CommitBody = object(
  {
    writes: array(
      object(
        {
          topic: STRING,
          records: RecordsInput,
          partition: { type: ['integer', 'null'], minimum: 0 },
          format: { enum: ['json', 'text'] },
          ifOffsetMatch: { type: ['integer', 'string', 'null'] },
        },
        ['topic', 'records'],
      ),
    ),
  },
  ['writes'],
);

export const CommitAnswer = object({ writes: array(ProduceAnswer) }, ['writes']);

const LogStart = object({ partition: INTEGER, logStartOffset: INTEGER }, ['partition', 'logStartOffset']);
export const DeleteRecordsAnswer = {
  oneOf: [LogStart, object({ partitions: array(LogStart) }, ['partitions'])],
} as const;

const Relative = {
  type: 'object',
  properties: { ...RecordView.properties, depth: INTEGER, missing: { type: 'boolean' } },
  required: ['depth', 'topic', 'partition', 'offset'],
} as const;

export const LineageAnswer = object(
  {
    record: RecordView,
    ancestors: array(Relative),
    descendants: array(Relative),
    nextCursor: NULLABLE,
    complete: { type: 'boolean' },
  },
  ['record', 'ancestors', 'descendants', 'nextCursor', 'complete'],
);
