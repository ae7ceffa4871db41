/** The object store that a URL names: `s3://BUCKET/PREFIX?...` or `dir:///PATH`. */
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { DirectoryStore } from './directory-store.ts';
import { CredentialChain } from './s3/credentials.ts';
import { S3Store } from './s3/s3-store.ts';
import { parseS3Url } from './s3/s3-url.ts';

/** Nothing is asked of the store yet. @throws CONFIG_INVALID. */
export function openStore(
  url: string,
  clock: Clock,
  environment: Readonly<Record<string, string | undefined>>,
): ObjectStore {
  if (url.startsWith('s3://'))
    return new S3Store(parseS3Url(url, environment), new CredentialChain(environment, clock));
  if (url.startsWith('dir:///')) return new DirectoryStore(decodeURIComponent(url.slice('dir://'.length)), clock);
  throw new MillraceError(
    'CONFIG_INVALID',
    `'${url.slice(0, 200)}' is no object store: expected s3://BUCKET/PREFIX or dir:///PATH.`,
  );
}
