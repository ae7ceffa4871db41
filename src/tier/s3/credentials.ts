/**
 * Credentials for S3, by the usual chain; the first that has any wins:
 *
 * 1. `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
 * 2. The profile `AWS_PROFILE` (`default`) of the file `AWS_SHARED_CREDENTIALS_FILE` (`~/.aws/credentials`).
 * 3. The container's endpoint: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI`, with its token.
 * 4. The machine's metadata service (IMDSv2), unless `AWS_EC2_METADATA_DISABLED=true`.
 *
 * Those of 3 and 4 end; they are fetched again some minutes before.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
  /** ms since 1970; undefined: they do not end. */
  readonly expiresAt: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const RENEW_BEFORE_MS = 5 * 60 * 1000;
const METADATA_HOST = 'http://169.254.169.254';
const CONTAINER_HOST = 'http://169.254.170.2';
const TOKEN_FILE = 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE';
const METADATA_TIMEOUT_MS = 2_000;

export class CredentialChain {
  readonly #environment: Environment;
  readonly #clock: Clock;
  #known: Credentials | undefined;
  #asking: Promise<Credentials> | undefined;

  constructor(environment: Environment, clock: Clock) {
    this.#environment = environment;
    this.#clock = clock;
  }

  /** @throws TIER_REFUSED where nobody has any. */
  async get(): Promise<Credentials> {
    const known = this.#known;
    if (known !== undefined && (known.expiresAt ?? Number.POSITIVE_INFINITY) - RENEW_BEFORE_MS > this.#clock.now()) {
      return known;
    }
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    this.#known = await this.#asking;
    return this.#known;
  }

  async #ask(): Promise<Credentials> {
    const found =
      fromEnvironment(this.#environment) ??
      (await fromFile(this.#environment)) ??
      (await fromContainer(this.#environment)) ??
      (await fromMachine(this.#environment));
    if (found !== undefined) return found;
    throw new MillraceError(
      'TIER_REFUSED',
      'No credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials.',
    );
  }
}

function fromEnvironment(environment: Environment): Credentials | undefined {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY'];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: environment['AWS_SESSION_TOKEN'], expiresAt: undefined };
}

async function fromFile(environment: Environment): Promise<Credentials | undefined> {
  const path = environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws', 'credentials');
  const text = await readFile(path, 'utf8').catch(() => '');
  const profile = profileOf(text, environment['AWS_PROFILE'] ?? 'default');
  const accessKeyId = profile.get('aws_access_key_id');
  const secretAccessKey = profile.get('aws_secret_access_key');
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: profile.get('aws_session_token'), expiresAt: undefined };
}

/** Settings of one `[profile]` of a credentials file. */
export function profileOf(text: string, name: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line);
    if (section !== null) inside = section[1] === name;
    const setting = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    if (inside && setting?.[1] !== undefined) settings.set(setting[1].toLowerCase(), setting[2] ?? '');
  }
  return settings;
}

async function fromContainer(environment: Environment): Promise<Credentials | undefined> {
  const path = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  const url = path === undefined ? environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] : `${CONTAINER_HOST}${path}`;
  if (url === undefined) return undefined;
  const file = environment[TOKEN_FILE];
  const token = file === undefined ? environment['AWS_CONTAINER_AUTHORIZATION_TOKEN'] : await tokenOf(file);
  return decode(await ask(url, token === undefined ? {} : { authorization: token }));
}

async function tokenOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new MillraceError('TIER_REFUSED', `${TOKEN_FILE} cannot be read: ${String(error)}`, { cause: error });
  }
}

async function fromMachine(environment: Environment): Promise<Credentials | undefined> {
  if (environment['AWS_EC2_METADATA_DISABLED'] === 'true') return undefined;
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '300' };
  const token = await ask(`${METADATA_HOST}/latest/api/token`, ttl, 'PUT');
  if (token === undefined) return undefined;
  const roles = `${METADATA_HOST}/latest/meta-data/iam/security-credentials/`;
  const headers = { 'x-aws-ec2-metadata-token': token };
  const role = (await ask(roles, headers))?.split('\n')[0]?.trim();
  return role === undefined || role === '' ? undefined : decode(await ask(`${roles}${role}`, headers));
}

async function ask(url: string, headers: Record<string, string>, method = 'GET'): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { method, headers, signal: AbortSignal.timeout(METADATA_TIMEOUT_MS) });
    return answer.ok ? await answer.text() : undefined;
  } catch {
    // Nobody there: the next in the chain.
    return undefined;
  }
}

function decode(text: string | undefined): Credentials | undefined {
  if (text === undefined) return undefined;
  try {
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = JSON.parse(text) as Record<string, unknown>;
    if (typeof AccessKeyId !== 'string' || typeof SecretAccessKey !== 'string') return undefined;
    const expiresAt = typeof Expiration === 'string' ? Date.parse(Expiration) : Number.NaN;
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: typeof Token === 'string' ? Token : undefined,
      expiresAt: Number.isNaN(expiresAt) ? undefined : expiresAt,
    };
  } catch {
    return undefined;
  }
}
