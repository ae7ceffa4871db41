/** Content negotiation: which of our media types an `Accept` header wants most (RFC 9110, 12.5.1). */

interface Range {
  readonly type: string;
  readonly quality: number;
}

/**
 * @param offers media types we can make, the preferred one first.
 * @returns the best offer, the first of equals; undefined where the header takes none of them.
 */
export function negotiate<T extends string>(accept: string | undefined, offers: readonly T[]): T | undefined {
  if (accept === undefined || accept.trim() === '') return offers[0];
  const ranges = accept.split(',').map(parseRange);
  let best: T | undefined;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, ranges);
    if (quality <= bestQuality) continue;
    best = offer;
    bestQuality = quality;
  }
  return best;
}

/** The most specific range decides, even against a wider one that likes the type better. */
function qualityOf(offer: string, ranges: readonly Range[]): number {
  const major = `${offer.slice(0, offer.indexOf('/'))}/*`;
  for (const wanted of [offer, major, '*/*']) {
    const range = ranges.find((candidate) => candidate.type === wanted);
    if (range !== undefined) return range.quality;
  }
  return 0;
}

function parseRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';');
  const weight = parameters.map((parameter) => parameter.trim()).find((parameter) => /^q=/i.test(parameter));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { type: type.trim().toLowerCase(), quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

/** `text/plain; charset=utf-8` is `text/plain`. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
