/**
 * The command that adds many entries: a script, encoded in one go into one buffer. The library's own encoding makes three small
 * buffers of each argument, which took longer than everything else that a record costs here.
 *
 * The answer is one text with the ids, since a list of a thousand costs the server and the library more than its text;
 * it is taken apart when somebody asks for a receipt.
 */
import type { Command, Redis } from 'ioredis';
import type { Offsets } from '../../backend.ts';
import type { EncodedRecord } from '../../record.ts';
import { encodeEntry, offsetOfId } from './entry.ts';
import type { RedisSettings } from './library.ts';

/**
 * KEYS: the stream. ARGV: MAXLEN or 0, field of the value, then for each run of entries of the same time: time, how many,
 * their values. An argument costs the server a third of a microsecond.
 */
const PLAIN_SCRIPT = `
local key, maxLen, field, ids, at = KEYS[1], ARGV[1], ARGV[2], {}, 3
while at < #ARGV do
  local time, last = ARGV[at], at + 1 + ARGV[at + 1]
  if maxLen == '0' then
    for i = at + 2, last do
      ids[#ids + 1] = redis.call('XADD', key, '*', field, ARGV[i], 'ts', time)
    end
  else
    for i = at + 2, last do
      ids[#ids + 1] = redis.call('XADD', key, 'MAXLEN', '~', maxLen, '*', field, ARGV[i], 'ts', time)
    end
  end
  at = last + 1
end
return table.concat(ids, ' ')`;

/** KEYS: the stream. ARGV: MAXLEN or 0, then for each entry: id, number of fields and values, these. */
const SCRIPT = `
local key, maxLen, ids, at = KEYS[1], ARGV[1], {}, 2
while at <= #ARGV do
  local last = at + 1 + ARGV[at + 1]
  if maxLen == '0' then
    ids[#ids + 1] = redis.call('XADD', key, ARGV[at], unpack(ARGV, at + 2, last))
  else
    ids[#ids + 1] = redis.call('XADD', key, 'MAXLEN', '~', maxLen, ARGV[at], unpack(ARGV, at + 2, last))
  end
  at = last + 1
end
return table.concat(ids, ' ')`;

/** Lua passes on at most some 8,000 arguments. */
const MAX_FIELDS = 2000;
/** `$`, the length of an argument, and two line ends. */
const AROUND_ARGUMENT_BYTES = 16;

/** The library's class, which is loaded when a URI asks for it. */
export type CommandClass = typeof Command;

/** @returns undefined where an entry has more fields than a script can pass on. */
export function encodeAdd(
  key: string,
  records: readonly EncodedRecord[],
  { ids, field, maxLen }: Pick<RedisSettings, 'ids' | 'field' | 'maxLen'>,
): Buffer | undefined {
  if (ids === 'auto' && records.every(isPlain)) return encodePlain(key, records, field, maxLen);
  const args: (string | Uint8Array)[] = [SCRIPT, '1', key, String(maxLen)];
  for (const record of records) {
    const fields = encodeEntry(record, field, ids === 'auto');
    if (fields.length > MAX_FIELDS) return undefined;
    args.push(ids === 'auto' ? '*' : `${record.timestamp}-*`, String(fields.length));
    for (const part of fields) args.push(part);
  }
  return commandOf(args);
}

/** Sends the bytes of `encodeAdd`. @returns ids of the entries, as offsets. */
export async function sendAdd(redis: Redis, EvalCommand: CommandClass, bytes: Buffer): Promise<Offsets> {
  const command = new EvalCommand('eval', []);
  // Also what is sent again after a lost connection.
  command.toWritable = () => bytes;
  const answer = await redis.sendCommand(command);
  let offsets: readonly string[] | undefined;
  return (index) => {
    offsets ??= String(answer).split(' ');
    return offsetOfId(offsets[index] ?? '');
  };
}

function isPlain({ key, value, headers }: EncodedRecord): boolean {
  return key === null && value !== null && headers.length === 0;
}

function encodePlain(key: string, records: readonly EncodedRecord[], field: string, maxLen: number): Buffer {
  const args: (string | Uint8Array)[] = [PLAIN_SCRIPT, '1', key, String(maxLen), field];
  for (let at = 0; at < records.length; ) {
    const { timestamp } = records[at] as EncodedRecord;
    const run = runLength(records, at);
    args.push(String(timestamp), String(run));
    for (const end = at + run; at < end; at++) args.push((records[at] as EncodedRecord).value as Uint8Array);
  }
  return commandOf(args);
}

/** Records in a row that have the time of the first: those that were submitted in one go. */
function runLength(records: readonly EncodedRecord[], start: number): number {
  const timestamp = records[start]?.timestamp;
  let end = start + 1;
  while (records[end]?.timestamp === timestamp) end += 1;
  return end - start;
}

/** An EVAL with these arguments. */
function commandOf(args: readonly (string | Uint8Array)[]): Buffer {
  const writer = new CommandBytes(args.length + 1, byteSum(args) + args.length * AROUND_ARGUMENT_BYTES);
  writer.text('EVAL');
  for (const arg of args) writer.argument(arg);
  return writer.bytes();
}

const MAX_HEAD_BYTES = 16;

/** A command as Redis reads it: `*COUNT`, then `$LENGTH` and the bytes for each argument, lines ended by CR LF. */
class CommandBytes {
  readonly #bytes: Buffer;
  #length: number;
  /** What stands before bytes of so many. */
  #headOf = -1;
  #head: Uint8Array = new Uint8Array(0);

  constructor(count: number, sizeBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(sizeBytes + MAX_HEAD_BYTES + AROUND_ARGUMENT_BYTES);
    this.#length = this.#bytes.write(`*${count}\r\n`, 0, 'latin1');
  }

  argument(value: string | Uint8Array): void {
    if (typeof value === 'string') this.text(value);
    else this.binary(value);
  }

  text(value: string): void {
    this.#length += this.#bytes.write(`$${Buffer.byteLength(value)}\r\n`, this.#length, 'latin1');
    this.#length += this.#bytes.write(value, this.#length);
    this.#lineEnd();
  }

  binary(value: Uint8Array): void {
    // Values in a row have the same length, more often than not.
    if (value.length !== this.#headOf) {
      this.#headOf = value.length;
      this.#head = Buffer.from(`$${value.length}\r\n`, 'latin1');
    }
    this.#bytes.set(this.#head, this.#length);
    this.#length += this.#head.length;
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    this.#lineEnd();
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #lineEnd(): void {
    this.#bytes[this.#length++] = 0x0d;
    this.#bytes[this.#length++] = 0x0a;
  }
}

function byteSum(args: readonly (string | Uint8Array)[]): number {
  let sum = 0;
  for (const arg of args) sum += typeof arg === 'string' ? Buffer.byteLength(arg) : arg.length;
  return sum;
}
