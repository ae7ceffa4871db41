/** gzip and zstd, of bodies that come and answers that go (RFC 9110, 8.4; RFC 8878). */
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

export type ContentCoding = 'gzip' | 'zstd';

/** The better one first. */
const CODINGS = ['zstd', 'gzip'] as const;

/** Smaller answers gain less than the work and the header cost. */
const MIN_CODED_BYTES = 1_024;
/** Records are read once: speed before size. */
const LEVEL = { gzip: 1, zstd: 1 } as const;

const gzip = promisify(zlib.gzip);
const zstd = promisify(zlib.zstdCompress);

/** Undefined for `identity` and none; `null` for one that is not read here. */
export function codingOf(header: string | undefined): ContentCoding | undefined | null {
  const name = header?.trim().toLowerCase();
  if (name === undefined || name === '' || name === 'identity') return undefined;
  if (name === 'x-gzip') return 'gzip';
  return CODINGS.find((coding) => coding === name) ?? null;
}

/** A frame that asks for a larger window would take that much memory before it gives a byte (RFC 9659: 8 MiB at most). */
const MAX_ZSTD_WINDOW_LOG = 23;

export function decoder(coding: ContentCoding): Transform {
  if (coding === 'gzip') return zlib.createGunzip();
  return zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: MAX_ZSTD_WINDOW_LOG } });
}

/** What the client takes and likes best, of what we can make. */
export function chooseCoding(accept: string | undefined): ContentCoding | undefined {
  if (accept === undefined) return undefined;
  const weights = new Map(accept.split(',').map(parseCoding));
  let best: ContentCoding | undefined;
  let bestWeight = 0;
  for (const coding of CODINGS) {
    const weight = weights.get(coding) ?? weights.get('*') ?? 0;
    if (weight <= bestWeight) continue;
    best = coding;
    bestWeight = weight;
  }
  return best;
}

/** Sends the answer, compressed where the client takes that and it pays. Its length without is that of `body`. */
export async function sendCoded(
  request: FastifyRequest,
  reply: FastifyReply,
  body: Buffer | string,
): Promise<FastifyReply> {
  reply.header('vary', varyWith(reply.getHeader('vary')));
  const coding = body.length < MIN_CODED_BYTES ? undefined : chooseCoding(request.headers['accept-encoding']);
  if (coding === undefined) return reply.send(body);
  const coded =
    coding === 'gzip'
      ? await gzip(body, { level: LEVEL.gzip })
      : await zstd(body, { params: { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL.zstd } });
  return reply.header('content-encoding', coding).send(coded);
}

function parseCoding(text: string): [string, number] {
  const [name = '', ...parameters] = text.split(';');
  const weight = parameters.map((parameter) => parameter.trim()).find((parameter) => /^q=/i.test(parameter));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return [name.trim().toLowerCase(), quality >= 0 && quality <= 1 ? quality : 0];
}

function varyWith(before: number | string | string[] | undefined): string {
  return before === undefined ? 'accept-encoding' : `${String(before)}, accept-encoding`;
}
