/**
 * Master keys: they wrap data keys, and come from outside. Text, one a line: `KEY` or `ID KEY`, where KEY is 32 bytes as 64
 * hexadecimal digits or as base64. The first is the one in use; the others open what they have wrapped before. Empty lines, and
 * those that begin with `#`, are skipped.
 */
import { createHash } from 'node:crypto';
import { MillraceError } from '../../base/errors.ts';
import { KEY_BYTES } from './data-keys.ts';

const ID = /^[A-Za-z0-9._-]{1,64}$/;
const MAX_KEYS = 100;

export interface MasterKey {
  /** In the clear in every key file that it wraps. */
  readonly id: string;
  readonly key: Uint8Array;
}

/** The first is in use. */
export type MasterKeys = readonly [MasterKey, ...MasterKey[]];

/** @param source where the text comes from, for messages; the text is never shown. @throws CONFIG_INVALID. */
export function parseMasterKeys(text: string, source: string): MasterKeys {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line, i) => parseLine(line, i + 1, source));
  const [first, ...others] = keys;
  if (first === undefined || keys.length > MAX_KEYS)
    throw invalid(source, `it has ${keys.length} keys, not 1 to ${MAX_KEYS}`);
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw invalid(source, 'two keys have one id');
  return [first, ...others];
}

function parseLine(line: string, number: number, source: string): MasterKey {
  const words = line.split(/\s+/);
  const key = parseKey(words.at(-1) ?? '');
  const id = words.length === 2 ? words[0] : key === undefined ? undefined : fingerprint(key);
  if (key !== undefined && words.length <= 2 && id !== undefined && ID.test(id)) return { id, key };
  throw invalid(
    source,
    `key ${number} is not 64 hexadecimal digits or base64 of 32 bytes, with an id before it or without`,
  );
}

function parseKey(text: string): Uint8Array | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return new Uint8Array(Buffer.from(text, 'hex'));
  const bytes = /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  return bytes?.length === KEY_BYTES ? new Uint8Array(bytes) : undefined;
}

/** Says which key it is, and nothing of it. */
function fingerprint(key: Uint8Array): string {
  return createHash('sha256').update('millrace master key').update(key).digest('hex').slice(0, 16);
}

function invalid(source: string, fault: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `${source} gives no master keys: ${fault}.`, { details: { source } });
}
