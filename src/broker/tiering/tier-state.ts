/**
 * Which chunks are in the object store, as folded from the journal. `CHUNKS_TIERED` says that an object is there and was
 * looked at: from its commit on the local file may go. `CHUNKS_FORGOTTEN` says that nobody reads the chunk any more: from
 * its commit on the object may go.
 */
import { assert } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { TieredPlace } from './messages.ts';

const BODY_VERSION = 1;

/** Bodies of the commands, versioned by their first byte. Byte layouts: docs/formats.md, "State commands". */
export const tierCommands = {
  tiered(places: readonly TieredPlace[]): Uint8Array {
    const writer = new StateWriter().u8(BODY_VERSION);
    return writer.list(places, (place) => writePlace(writer, place)).finish();
  },
  forgotten(chunks: readonly number[]): Uint8Array {
    const writer = new StateWriter().u8(BODY_VERSION);
    return writer.list(chunks, (chunk) => writer.u32(chunk)).finish();
  },
};

export class TierState implements StatePart {
  readonly section = CHECKPOINT_SECTION.TIERED_CHUNKS;
  readonly commands = [COMMAND.CHUNKS_TIERED, COMMAND.CHUNKS_FORGOTTEN];
  readonly #places = new Map<number, TieredPlace>();

  get size(): number {
    return this.#places.size;
  }

  /** Undefined: it is not in the store. */
  place(chunk: number): TieredPlace | undefined {
    return this.#places.get(chunk);
  }

  places(): Iterable<TieredPlace> {
    return this.#places.values();
  }

  apply(type: number, body: Uint8Array): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    switch (type) {
      case COMMAND.CHUNKS_TIERED:
        for (const place of reader.list(() => readPlace(reader))) this.#places.set(place.chunk, place);
        return;
      case COMMAND.CHUNKS_FORGOTTEN:
        for (const chunk of reader.list(() => reader.u32())) this.#places.delete(chunk);
        return;
      default:
        assert(false, `command ${type} is not one of tiering`);
    }
  }

  snapshot(writer: StateWriter): void {
    writer.u8(BODY_VERSION).list(this.#places.values(), (place) => writePlace(writer, place));
  }

  restore(reader: StateReader): void {
    checkBodyVersion(COMMAND.CHUNKS_TIERED, reader.u8(), BODY_VERSION);
    for (const place of reader.list(() => readPlace(reader))) this.#places.set(place.chunk, place);
  }
}

function writePlace(writer: StateWriter, { chunk, object, rawBytes, storedBytes }: TieredPlace): void {
  writer.u32(chunk).string(object).i64(rawBytes).i64(storedBytes);
}

function readPlace(reader: StateReader): TieredPlace {
  return { chunk: reader.u32(), object: reader.string(), rawBytes: reader.i64(), storedBytes: reader.i64() };
}
