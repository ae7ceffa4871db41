/**
 * Where an S3 bucket is, from a URL: `s3://BUCKET/PREFIX?endpoint=http://host:port&region=eu-central-1&style=path`.
 *
 * | parameter | default | meaning |
 * |---|---|---|
 * | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, else Amazon's of the region | server of an S3-compatible store |
 * | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, else us-east-1 | |
 * | style | `path` with an endpoint, else `host` | bucket in the path or in the host name |
 */
import { MillraceError } from '../../base/errors.ts';

export interface S3Place {
  readonly bucket: string;
  /** Without slashes around it; may be empty. */
  readonly prefix: string;
  /** Of the bucket, without a slash at its end. */
  readonly base: string;
  readonly region: string;
  /** For people: no secrets. */
  readonly url: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PARAMETERS = ['endpoint', 'region', 'style'];

/** @throws CONFIG_INVALID. */
export function parseS3Url(text: string, environment: Environment): S3Place {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 's3:') throw invalid(text, 's3://BUCKET/PREFIX');
  if (!BUCKET.test(url.hostname)) {
    throw invalid(text, 's3://BUCKET/PREFIX, the bucket with 3 to 63 of a-z, 0-9, dots and hyphens');
  }
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) throw invalid(text, `parameters ${PARAMETERS.join(', ')}, and not ${unknown}`);
  const bucket = url.hostname;
  const prefix = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  if (!/^[A-Za-z0-9._/-]*$/.test(prefix)) throw invalid(text, 'a prefix of letters, digits and ._-/');
  const region = url.searchParams.get('region') ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
  const endpoint =
    url.searchParams.get('endpoint') ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
  const style = url.searchParams.get('style') ?? (endpoint === undefined ? 'host' : 'path');
  if (style !== 'path' && style !== 'host') throw invalid(text, 'style=path or style=host');
  const address = endpoint ?? `https://s3.${region ?? 'us-east-1'}.amazonaws.com`;
  if (!/^https?:/.test(address) || !URL.canParse(address)) {
    throw invalid(text, 'an endpoint (here, or of AWS_ENDPOINT_URL) such as https://s3.example.org:9000');
  }
  const server = new URL(address);
  const base =
    style === 'path'
      ? `${server.origin}${server.pathname.replace(/\/+$/, '')}/${bucket}`
      : `${server.protocol}//${bucket}.${server.host}`;
  return {
    bucket,
    prefix,
    base,
    region: region ?? 'us-east-1',
    url: `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`,
  };
}

function invalid(text: string, expected: string): MillraceError {
  const shown = text.replaceAll(/\/\/[^/@]*@/g, '//…@').slice(0, 200);
  return new MillraceError('CONFIG_INVALID', `'${shown}' is no place of an object store: expected ${expected}.`);
}
