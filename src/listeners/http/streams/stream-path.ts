/** Paths of streams: `/v1/stream/{levels of the name}`; levels that begin with `__ds` belong to the protocol. */
import { MillraceError } from '../../../base/errors.ts';
import { foldTopicName, topicPath } from '../../../model/topic-name.ts';

export const STREAM_ROOT = '/v1/stream/';
/** As the router and the metrics name it. */
export const STREAMS_ROUTE = `${STREAM_ROOT}*`;
const RESERVED_LEVEL = '__ds';

/**
 * @param url path and perhaps query, as the client wrote it, beginning with `STREAM_ROOT`.
 * @returns the canonical topic name.
 * @throws MODEL_TOPIC_NAME_INVALID, HTTP_REQUEST_INVALID (an encoding that cannot be read).
 */
export function streamNameOf(url: string): string {
  const queryAt = url.indexOf('?');
  return streamNameOfPath(url.slice(STREAM_ROOT.length, queryAt === -1 ? undefined : queryAt));
}

/** The same for what stands behind the root. */
export function streamNameOfPath(path: string): string {
  const name = foldTopicName(path.includes('%') ? decode(path) : path);
  if (name === RESERVED_LEVEL || name.startsWith(`${RESERVED_LEVEL}.`)) {
    throw new MillraceError('HTTP_ROUTE_NOT_FOUND', `Names that begin with ${RESERVED_LEVEL} belong to the protocol.`);
  }
  return name;
}

/** The path below the root, as subscriptions name it: `events/abc`. */
export function streamPathOf(canonicalName: string): string {
  return topicPath(canonicalName);
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new MillraceError('HTTP_REQUEST_INVALID', 'The path is not well-formed percent-encoding.', { cause: error });
  }
}
