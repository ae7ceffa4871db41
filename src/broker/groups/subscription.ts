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

export interface AssignedTopic {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/**
 * What a consumer was assigned, for people: i16 version, i32 topicCount, for each topic i16 and UTF-8, i32 partitionCount,
 * i32 each. Undefined for bytes that do not have the layout; empty bytes are an empty assignment.
 *
 * Source: Kafka's ConsumerProtocolAssignment; example for partition 1 of "t": `0000 00000001 0001 74 00000001 00000001`.
 */
export function assignedTopics(assignment: Uint8Array): AssignedTopic[] | undefined {
  const bytes = asBuffer(assignment);
  if (bytes.length === 0) return [];
  if (bytes.length < 6 || bytes.readInt16BE(0) < 0) return undefined;
  const topics: AssignedTopic[] = [];
  let position = 6;
  for (let left = bytes.readInt32BE(2); left > 0; left--) {
    if (position + 2 > bytes.length) return undefined;
    const nameEnd = position + 2 + bytes.readInt16BE(position);
    if (nameEnd < position + 2 || nameEnd + 4 > bytes.length) return undefined;
    const count = bytes.readInt32BE(nameEnd);
    const end = nameEnd + 4 + count * 4;
    if (count < 0 || end > bytes.length) return undefined;
    topics.push({
      topic: bytes.toString('utf8', position + 2, nameEnd),
      partitions: Array.from({ length: count }, (_, i) => bytes.readInt32BE(nameEnd + 4 + i * 4)),
    });
    position = end;
  }
  return topics;
}
