/**
 * From the bytes of a topic's name or id in a request to the topic, without decoding a string when they were seen before.
 *
 * Direct-mapped: each name has one place, a newer name with the same place takes it over. So it is bounded by
 * construction. Only names of topics that exist are kept, and a deleted topic is looked up anew.
 */
import { filledArray } from '../../base/filled-array.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Topics } from '../../broker/topics.ts';
import { tryFoldTopicName } from '../../model/topic-name.ts';

const PLACES = 16 * 1024;

/** A topic's name, or the 16 bytes of its id, as a client wrote it. */
export interface NamedTopic {
  readonly nameBytes: Uint8Array;
  /** Undefined: there is none (any more). */
  readonly topic: Topic | undefined;
}

type LookUp = (bytes: Buffer, start: number, end: number) => Topic | undefined;

/** Names as UTF-8. */
export function byName(topics: Topics): LookUp {
  return (bytes, start, end) => {
    const name = tryFoldTopicName(bytes.toString('utf8', start, end));
    return name === undefined ? undefined : topics.find(name);
  };
}

/** Ids as 16 bytes. */
export function byId(topics: Topics): LookUp {
  return (bytes, start, end) => topics.byId(bytes.toString('hex', start, end));
}

export class TopicCache {
  readonly #lookUp: LookUp;
  readonly #places: (NamedTopic | undefined)[] = filledArray<NamedTopic | undefined>(PLACES, undefined);
  /** Most producers name the same topic again and again. */
  #last: NamedTopic | undefined;

  constructor(lookUp: LookUp) {
    this.#lookUp = lookUp;
  }

  /** The topic named by the bytes in [start, end). The result keeps no reference to `bytes`. */
  find(bytes: Buffer, start: number, end: number): NamedTopic {
    const last = this.#last;
    if (last !== undefined && isSame(last, bytes, start, end)) return last;
    const place = hash(bytes, start, end) & (PLACES - 1);
    const known = this.#places[place];
    if (known !== undefined && isSame(known, bytes, start, end)) {
      this.#last = known;
      return known;
    }
    const topic = this.#lookUp(bytes, start, end);
    const found = { nameBytes: Uint8Array.prototype.slice.call(bytes, start, end), topic };
    if (found.topic !== undefined) {
      this.#places[place] = found;
      this.#last = found;
    }
    return found;
  }
}

function isSame(known: NamedTopic, bytes: Buffer, start: number, end: number): boolean {
  const { nameBytes, topic } = known;
  if (nameBytes.length !== end - start || topic === undefined || topic.deleted) return false;
  for (let i = 0; i < nameBytes.length; i++) if (nameBytes[i] !== bytes[start + i]) return false;
  return true;
}

/** FNV-1a, 32 bits. */
function hash(bytes: Buffer, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let i = start; i < end; i++) value = Math.imul(value ^ (bytes[i] as number), 0x01000193);
  return value ^ (value >>> 15);
}
