/** The answer to ListObjectsV2, which S3 gives as XML of one fixed shape; keys come URL-encoded, as was asked for. */
export interface ListAnswer {
  readonly objects: readonly { readonly key: string; readonly sizeBytes: number; readonly modifiedAt: number }[];
  /** Undefined on the last page. */
  readonly nextToken: string | undefined;
}

/** @returns undefined where it is no such answer. */
export function parseListAnswer(xml: string): ListAnswer | undefined {
  if (!/<ListBucketResult[\s>]/.test(xml) || !xml.includes('</ListBucketResult>')) return undefined;
  const objects: { key: string; sizeBytes: number; modifiedAt: number }[] = [];
  for (const [, entry = ''] of xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
    const key = textOf(entry, 'Key');
    const sizeBytes = Number(textOf(entry, 'Size'));
    const modifiedAt = Date.parse(textOf(entry, 'LastModified') ?? '');
    if (key === undefined || !Number.isSafeInteger(sizeBytes) || Number.isNaN(modifiedAt)) return undefined;
    objects.push({ key: decodeKey(key), sizeBytes, modifiedAt });
  }
  const truncated = textOf(xml, 'IsTruncated') === 'true';
  return { objects, nextToken: truncated ? textOf(xml, 'NextContinuationToken') : undefined };
}

function textOf(xml: string, element: string): string | undefined {
  const start = xml.indexOf(`<${element}>`);
  const end = xml.indexOf(`</${element}>`, start);
  return start < 0 || end < 0 ? undefined : unescape(xml.slice(start + element.length + 2, end));
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replaceAll(/&(amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);/g, (_, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name] ?? '';
    return String.fromCodePoint(name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}
