/**
 * The one look into a member's opaque metadata: which topics a consumer subscribes to. For retention and for operators
 * who delete offsets; the protocol itself never needs it.
 *
 * | type | name | meaning |
 * |---|---|---|
 * | i16 | version | 0 or more; later versions only append, so version 0 is read of all |
 * | i32 | topicCount | |
 * | i16 + bytes | topic | repeated; length and UTF-8 |
 *
 * Source: Kafka's ConsumerProtocolSubscription; example for one topic "t": `0000 00000001 0001 74`.
 */
import { asBuffer } from '../../base/bytes.ts';

/** The protocol type whose metadata has this layout. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** Undefined for bytes that do not have the layout. */
export function subscribedTopics(metadata: Uint8Array): string[] | undefined {
  const bytes = asBuffer(metadata);
  if (bytes.length < 6 || bytes.readInt16BE(0) < 0) return undefined;
  const count = bytes.readInt32BE(2);
  // A topic takes two bytes at least: a larger count is no size to loop over.
  if (count < 0 || count * 2 > bytes.length) return undefined;
  const topics: string[] = [];
  let position = 6;
  for (let i = 0; i < count; i++) {
    if (position + 2 > bytes.length) return undefined;
    const length = bytes.readInt16BE(position);
    const end = position + 2 + length;
    if (length < 0 || end > bytes.length) return undefined;
    topics.push(bytes.toString('utf8', position + 2, end));
    position = end;
  }
  return topics;
}

/** Topics that any of these members subscribes to; undefined when one of them cannot be read. */
export function allSubscribedTopics(subscriptions: Iterable<Uint8Array>): Set<string> | undefined {
  const all = new Set<string>();
  for (const metadata of subscriptions) {
    const topics = subscribedTopics(metadata);
    if (topics === undefined) return undefined;
    for (const topic of topics) all.add(topic);
  }
  return all;
}
