/**
 * Text messages: one JSON object each, `op` says what it is. Records are the record objects of the HTTP API, read off the
 * text as it came, so that what is stored is what was written.
 */
import type { XStatic } from 'typebox/schema';
import { MillraceError } from '../../base/errors.ts';
import { JsonScan } from '../http/json-scan.ts';
import type { Problem } from '../http/problem.ts';
import { object, STRING, whole } from '../http/schemas.ts';
import { compileValidator } from '../http/validator.ts';

const MAX_ID = 0xffff_ffff;

const COUNT = whole(1, Number.MAX_SAFE_INTEGER);
const NAME = { type: 'string', minLength: 1, maxLength: 100, expected: 'a name of 1 to 100 characters' } as const;
const FORMAT = { enum: ['text', 'json', 'base64'], expected: 'text, json or base64' } as const;

const Produce = object(
  {
    op: STRING,
    id: whole(0, MAX_ID),
    topic: STRING,
    partition: whole(0, 0x7fff_ffff),
    ack: { enum: ['durable', 'written', 'admitted'], expected: 'durable, written or admitted' },
    format: { enum: ['json', 'text'], expected: 'json or text' },
    offsets: { type: 'boolean', expected: 'true or false' },
  },
  ['op', 'id', 'topic'],
);
export type ProduceMessage = XStatic<typeof Produce>;

const Subscribe = object(
  {
    op: STRING,
    sub: NAME,
    match: { type: ['string', 'array'], items: STRING, minItems: 1, maxItems: 100, expected: '1 to 100 globs' },
    cursor: { type: 'string', expected: 'a cursor, earliest or latest' },
    topic: STRING,
    partition: { type: ['integer', 'string'], expected: 'a partition number or all' },
    offset: { type: ['integer', 'string'], expected: 'an offset, earliest or latest' },
    offsets: { type: 'string', expected: 'partition:offset pairs like 0:17,2:5' },
    credit: COUNT,
    format: FORMAT,
  },
  ['op', 'sub'],
);
export type SubscribeMessage = XStatic<typeof Subscribe>;

const Credit = object({ op: STRING, sub: NAME, records: COUNT }, ['op', 'sub', 'records']);
const Unsubscribe = object({ op: STRING, sub: NAME }, ['op', 'sub']);
const Ping = object({ op: STRING }, ['op']);

const SCHEMAS = {
  produce: Produce,
  subscribe: Subscribe,
  credit: Credit,
  unsubscribe: Unsubscribe,
  ping: Ping,
} as const;
type Op = keyof typeof SCHEMAS;

const VALIDATORS = Object.fromEntries(
  Object.entries(SCHEMAS).map(([op, schema]) => [op, compileValidator(schema, 'body')]),
);

export type TextMessage =
  | { readonly op: 'produce'; readonly message: ProduceMessage; readonly records: string }
  | { readonly op: 'subscribe'; readonly message: SubscribeMessage }
  | { readonly op: 'credit'; readonly message: XStatic<typeof Credit> }
  | { readonly op: 'unsubscribe'; readonly message: XStatic<typeof Unsubscribe> }
  | { readonly op: 'ping' };

/** What a message that is out of form calls itself, as far as it can be read: for the refusal. */
export interface MessageName {
  id?: number;
  sub?: string;
}

/**
 * @param name is filled as soon as it is known.
 * @throws HTTP_JSON_INVALID, HTTP_REQUEST_INVALID naming the member.
 */
export function parseText(text: string, name: MessageName): TextMessage {
  const scan = new JsonScan(text);
  if (!scan.isObject) throw refuse('A text message must be a JSON object like {"op": "ping"}.');
  const members = Object.create(null) as Record<string, unknown>;
  let records: string | undefined;
  scan.object((member) => {
    const value = scan.value();
    if (member === 'records' && !/^\s*\d+\s*$/.test(value)) records = value;
    else members[member] = JSON.parse(value);
  });
  scan.finish();
  if (typeof members['id'] === 'number') name.id = members['id'];
  if (typeof members['sub'] === 'string') name.sub = members['sub'].slice(0, 100);
  const { op } = members;
  const validate = typeof op === 'string' && Object.hasOwn(VALIDATORS, op) ? VALIDATORS[op] : undefined;
  if (validate === undefined) throw refuse(`\`op\` must be ${Object.keys(SCHEMAS).join(', ')}.`);
  const checked = validate(members);
  if ('error' in checked) throw checked.error;
  if ((op === 'produce') !== (records !== undefined)) throw refuse('`records` goes with `produce`, and must be there.');
  // The schema of the op was held against it.
  return { op: op as Op, message: checked.value, records } as unknown as TextMessage;
}

export const reply = {
  pong: (): string => '{"op":"pong"}',
  ack: (upTo: number): string => `{"op":"ack","upTo":${upTo}}`,
  produced: (id: number, answer: object): string => `{"op":"produced","id":${id},${JSON.stringify(answer).slice(1)}`,
  /** @param records rendered record objects. @param next where to go on, as `cursor` or `offsets` takes it. */
  /** @param records JSON texts with commas between them. */
  records: (sub: string, records: string, next: string): string =>
    `{"op":"records","sub":${JSON.stringify(sub)},"records":[${records}],"next":"${next}"}`,
  ended: (sub: string): string => `{"op":"ended","sub":${JSON.stringify(sub)}}`,
  error: (name: MessageName, problem: Problem): string => JSON.stringify({ op: 'error', ...name, problem }),
};

function refuse(message: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `${message} See docs/protocol.md, WebSocket.`);
}
