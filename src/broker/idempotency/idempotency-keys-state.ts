/**
 * Idempotency keys of writes, as folded from the journal: what a request with that key wrote, so that its repeat is
 * answered and not written again. A key stands in the commit of its records, and survives whatever they survive.
 *
 * Bounded by age, count and places; what is dropped follows from the commands alone. Decides nothing; `WriteCondition` does.
 */
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';

const BODY_VERSION = 1;
/** A client that has not come back in a day does not come back. */
export const KEY_LIFE_MS = 24 * 3_600_000;
/** Keys remembered, the oldest making room: some 300 bytes each. */
export const MAX_KEYS = 100_000;
/** Places (a partition that a request wrote to) of all remembered keys: some 60 bytes each. */
const MAX_PLACES = 400_000;

/** Records of one request in one partition. */
export interface WrittenPlace {
  readonly partition: number;
  readonly baseOffset: number;
  readonly count: number;
}

/** What a request wrote to one topic. */
export interface WrittenTopic {
  readonly topicId: string;
  /** Partitions the topic had then: keys were spread over so many. */
  readonly partitionCount: number;
  readonly places: readonly WrittenPlace[];
}

export interface KeyUse {
  /** With the scope in front: the same key elsewhere is another one. */
  readonly key: string;
  /** Of the request, to tell its repeat from another request under the same key. 16 bytes. */
  readonly fingerprint: Uint8Array;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly writes: readonly WrittenTopic[];
}

/** Byte layout: docs/formats.md, "State commands". */
export function encodeKeyUse(use: KeyUse): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION);
  writeKeyUse(writer, use);
  return writer.finish();
}

export class IdempotencyKeysState implements StatePart {
  readonly section = CHECKPOINT_SECTION.IDEMPOTENCY_KEYS;
  readonly commands = [COMMAND.IDEMPOTENCY_KEY_USED];
  /** Oldest first. */
  readonly #uses = new Map<string, KeyUse>();
  #places = 0;

  get size(): number {
    return this.#uses.size;
  }

  /** @param now milliseconds since 1970; what is older than its life by then is not there any more. */
  find(key: string, now: number): KeyUse | undefined {
    const use = this.#uses.get(key);
    return use === undefined || use.at + KEY_LIFE_MS < now ? undefined : use;
  }

  apply(type: number, body: Uint8Array): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    const use = readKeyUse(reader);
    this.#add(use);
    for (const oldest of this.#uses.values()) {
      const isOver = oldest.at + KEY_LIFE_MS < use.at;
      if (!isOver && this.#uses.size <= MAX_KEYS && this.#places <= MAX_PLACES) break;
      this.#drop(oldest);
    }
  }

  snapshot(writer: StateWriter): void {
    writer.list(this.#uses.values(), (use) => writeKeyUse(writer, use));
  }

  restore(reader: StateReader): void {
    reader.list(() => this.#add(readKeyUse(reader)));
  }

  #add(use: KeyUse): void {
    const before = this.#uses.get(use.key);
    if (before !== undefined) this.#drop(before);
    this.#uses.set(use.key, use);
    this.#places += placesOf(use);
  }

  #drop(use: KeyUse): void {
    this.#uses.delete(use.key);
    this.#places -= placesOf(use);
  }
}

function placesOf({ writes }: KeyUse): number {
  return writes.reduce((sum, { places }) => sum + places.length, 0);
}

function writeKeyUse(writer: StateWriter, { key, fingerprint, at, writes }: KeyUse): void {
  writer.string(key).bytes(fingerprint).i64(at);
  writer.list(writes, ({ topicId, partitionCount, places }) => {
    writer.string(topicId).u32(partitionCount);
    writer.list(places, ({ partition, baseOffset, count }) => writer.u32(partition).i64(baseOffset).u32(count));
  });
}

function readKeyUse(reader: StateReader): KeyUse {
  return {
    key: reader.string(),
    fingerprint: reader.bytes(),
    at: reader.i64(),
    writes: reader.list(() => ({
      topicId: reader.string(),
      partitionCount: reader.u32(),
      places: reader.list(() => ({ partition: reader.u32(), baseOffset: reader.i64(), count: reader.u32() })),
    })),
  };
}
