/**
 * Topic names in paths. `food/eggs` arrives as one encoded segment or as plain segments; the router knows one segment
 * only, so plain segments are folded into one before it looks (docs/protocol.md, "Topic names in a path").
 */

export const TOPICS_PATH = '/v1/topics';
/** The route of records, as the router and the metrics name it. */
export const RECORDS_ROUTE = `${TOPICS_PATH}/:name/records`;
const PREFIX = `${TOPICS_PATH}/`;

/**
 * Last segments that are not part of the name. Some are reserved before they are served: taking a word later would
 * change which topic an old path names.
 */
const TOPIC_VERBS: ReadonlySet<string> = new Set(['records', 'config', 'partitions', 'groups']);

/**
 * `/v1/topics/a/b/records?x` becomes `/v1/topics/a%2Fb/records?x`; everything else passes unchanged. Pure, and nothing is
 * decoded here: an encoded slash is no separator of segments.
 */
export function foldTopicPath(url: string): string {
  if (!url.startsWith(PREFIX)) return url;
  const queryAt = url.indexOf('?');
  const end = queryAt === -1 ? url.length : queryAt;
  const firstSlash = url.indexOf('/', PREFIX.length);
  if (firstSlash === -1 || firstSlash >= end) return url;
  const lastSlash = url.lastIndexOf('/', end - 1);
  const isVerb = TOPIC_VERBS.has(url.slice(lastSlash + 1, end));
  const nameEnd = isVerb ? lastSlash : end;
  const name = url.slice(PREFIX.length, nameEnd);
  return name.includes('/') ? `${PREFIX}${name.replaceAll('/', '%2F')}${url.slice(nameEnd)}` : url;
}

/** Path of the topic's own resource. Canonical names need no encoding. */
export function topicUrl(canonicalName: string): string {
  return PREFIX + canonicalName;
}
