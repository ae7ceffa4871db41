/** The body of `POST /v1/commit`, read off its text: records keep the text of their values, as everywhere. */
import { MillraceError } from '../../base/errors.ts';
import { foldTopicName } from '../../model/topic-name.ts';
import { JsonScan } from './json-scan.ts';
import type { ValueFormat } from './record-input.ts';
import { type Ends, parseEnds } from './write-headers.ts';

/** Topics of one commit: each costs a lookup and a batch. */
const MAX_WRITES = 1_000;
const MAX_PARTITION = 0x7fff_ffff;

export interface CommitWrite {
  /** Canonical. */
  readonly topic: string;
  /** JSON text: a record object, or an array of them. */
  readonly records: string;
  readonly partition: number | undefined;
  readonly format: ValueFormat;
  readonly ends: Ends | undefined;
  /** Its place in the body, for refusals. */
  readonly where: string;
}

/** @throws HTTP_JSON_INVALID, HTTP_REQUEST_INVALID naming the member, MODEL_TOPIC_NAME_INVALID. */
export function commitWrites(text: string): CommitWrite[] {
  const scan = new JsonScan(text);
  let writes: CommitWrite[] | undefined;
  if (!scan.isObject) {
    scan.value();
    throw refuse('the whole', 'must be an object like {"writes": [{"topic": "t", "records": []}]}');
  }
  scan.object((name) => {
    if (name !== 'writes') throw refuse('the object', `has an unknown member ${shown(name)}; known: writes`);
    if (writes !== undefined || !scan.isArray) {
      scan.value();
      throw refuse('`writes`', 'must be one array');
    }
    writes = [];
    for (const _ of scan.elements()) {
      if (writes.length === MAX_WRITES) throw refuse('`writes`', `has more than ${MAX_WRITES} elements; split it`);
      writes.push(readWrite(scan, `writes[${writes.length}]`));
    }
  });
  scan.finish();
  if (writes === undefined) throw refuse('the object', 'has no member `writes`');
  return writes;
}

const MEMBERS: readonly string[] = ['topic', 'records', 'partition', 'format', 'ifOffsetMatch'];

function readWrite(scan: JsonScan, where: string): CommitWrite {
  if (!scan.isObject) {
    scan.value();
    throw refuse(where, 'must be an object like {"topic": "t", "records": []}');
  }
  const members = new Map<string, string>();
  scan.object((name) => {
    if (!MEMBERS.includes(name)) {
      throw refuse(where, `has an unknown member ${shown(name)}; known: ${MEMBERS.join(', ')}`);
    }
    if (members.has(name)) throw refuse(where, `gives its ${name} twice`);
    members.set(name, scan.value());
  });
  const records = members.get('records');
  if (records === undefined) throw refuse(where, 'has no records; give a record object, or an array of them');
  return {
    topic: readTopic(members.get('topic'), where),
    records,
    partition: readPartition(members.get('partition'), `${where}.partition`),
    format: readFormat(members.get('format'), `${where}.format`),
    ends: readEnds(members.get('ifOffsetMatch'), `${where}.ifOffsetMatch`),
    where,
  };
}

function readTopic(json: string | undefined, where: string): string {
  if (json === undefined) throw refuse(where, 'has no topic');
  if (!json.startsWith('"')) throw refuse(`${where}.topic`, 'must be a string');
  return foldTopicName(JSON.parse(json) as string);
}

function readPartition(json: string | undefined, where: string): number | undefined {
  if (json === undefined || json === 'null') return undefined;
  const partition = /^\d{1,10}$/.test(json) ? Number(json) : Number.NaN;
  if (!(partition <= MAX_PARTITION)) throw refuse(where, 'must be a partition number from 0');
  return partition;
}

function readFormat(json: string | undefined, where: string): ValueFormat {
  if (json === undefined || json === '"json"') return 'json';
  if (json === '"text"') return 'text';
  throw refuse(where, 'must be "json" or "text"');
}

/** A number, or what the header says: `"0:17,2:5"`. */
function readEnds(json: string | undefined, where: string): Ends | undefined {
  if (json === undefined || json === 'null') return undefined;
  const ends = parseEnds(json.startsWith('"') ? (JSON.parse(json) as string) : json);
  if (ends === undefined)
    throw refuse(where, 'must be an offset, or a string of partition:offset pairs like "0:17,2:5"');
  return ends;
}

/** How much of a refused name an error repeats. */
const SHOWN_LENGTH = 80;

function shown(name: string): string {
  return JSON.stringify(name.slice(0, SHOWN_LENGTH));
}

function refuse(where: string, what: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `In the body, ${where} ${what}.`, { details: { where } });
}
