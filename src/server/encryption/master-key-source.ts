/** Where master keys come from: a file, the environment, or a command that asks a key service. Read at the start, once. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { MillraceError } from '../../base/errors.ts';
import { type MasterKeys, parseMasterKeys } from '../../journal/encryption/master-keys.ts';

const COMMAND_TIMEOUT_MS = 30_000;
const MAX_TEXT_BYTES = 64 * 1024;

/**
 * @param source `file:PATH`, `env:NAME`, or `command:LINE`, which a shell runs and whose output is taken; empty: undefined.
 * @throws CONFIG_INVALID saying what is wrong with the source; never with what it gave.
 */
export async function readMasterKeys(
  source: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<MasterKeys | undefined> {
  if (source === '') return undefined;
  const colon = source.indexOf(':');
  const [kind, place] = [source.slice(0, colon), source.slice(colon + 1)];
  if (place === '') throw invalid(source, 'expected file:PATH, env:NAME or command:LINE');
  switch (kind) {
    case 'file':
      return parseMasterKeys(await textOf(place), source);
    case 'env': {
      const text = environment[place];
      if (text === undefined) throw invalid(source, 'there is no such variable');
      return parseMasterKeys(text, source);
    }
    case 'command':
      return parseMasterKeys(await outputOf(place), source);
    default:
      throw invalid(source, 'expected file:PATH, env:NAME or command:LINE');
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fault =
      code === 'ENOENT' ? `there is no file ${path}; \`millrace keys generate\` makes a key for one` : message;
    throw invalid(`file:${path}`, fault, error);
  }
}

async function outputOf(line: string): Promise<string> {
  try {
    const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_TEXT_BYTES };
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', line], options);
    return stdout;
  } catch (error) {
    const { code, killed, stderr } = error as { code?: unknown; killed?: boolean; stderr?: string };
    const how = killed === true ? `no answer within ${COMMAND_TIMEOUT_MS / 1000} s` : `exit code ${String(code)}`;
    throw invalid(`command:${line}`, `${how}: ${(stderr ?? '').slice(0, 500)}`);
  }
}

function invalid(source: string, fault: string, cause?: unknown): MillraceError {
  return new MillraceError('CONFIG_INVALID', `encryption.key.source '${source}' gives no master keys: ${fault}.`, {
    details: { source },
    cause,
  });
}
