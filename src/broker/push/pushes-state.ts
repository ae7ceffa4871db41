/** Pushes as folded from the journal. Decides nothing; `pushes.ts` does. */
import { assert, MillraceError } from '../../base/errors.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import { cursorKey, type PlacedCursor, Push } from './push.ts';
import {
  decodeConfigured,
  decodeMoved,
  decodePaused,
  decodeRemoved,
  readCursors,
  readPushConfig,
  writeCursors,
  writePushConfig,
} from './push-commands.ts';

export class PushesState implements StatePart {
  readonly section = CHECKPOINT_SECTION.PUSHES;
  readonly commands = [COMMAND.PUSH_CONFIGURED, COMMAND.PUSH_MOVED, COMMAND.PUSH_PAUSED, COMMAND.PUSH_DELETED];
  readonly #byId = new Map<string, Push>();

  get size(): number {
    return this.#byId.size;
  }

  /** In order of creation. */
  list(): Iterable<Push> {
    return this.#byId.values();
  }

  find(id: string): Push | undefined {
    return this.#byId.get(id);
  }

  apply(type: number, body: Uint8Array): void {
    switch (type) {
      case COMMAND.PUSH_CONFIGURED: {
        const { config, at, cursors } = decodeConfigured(type, body);
        let push = this.#byId.get(config.id);
        if (push === undefined) {
          push = new Push(config, at);
          this.#byId.set(config.id, push);
        } else push.configure(config);
        move(push, cursors);
        return;
      }
      case COMMAND.PUSH_MOVED: {
        const { id, cursors } = decodeMoved(type, body);
        move(this.#known(id), cursors);
        return;
      }
      case COMMAND.PUSH_PAUSED: {
        const { id, paused } = decodePaused(type, body);
        this.#known(id).paused = paused;
        return;
      }
      case COMMAND.PUSH_DELETED: {
        const push = this.#known(decodeRemoved(type, body));
        push.deleted = true;
        this.#byId.delete(push.id);
        return;
      }
      default:
        assert(false, `command ${type} is not one of pushes`);
    }
  }

  /** Part of the fold: the topic's cursors go with it. */
  topicDeleted(topic: Topic): void {
    for (const push of this.#byId.values()) {
      for (const { index } of topic.partitions) push.cursors.delete(cursorKey(topic.id, index));
    }
  }

  snapshot(writer: StateWriter): void {
    writer.list(this.#byId.values(), (push) => {
      writePushConfig(writer, push.config);
      writer.i64(push.createdAt).bool(push.paused);
      writeCursors(writer, push.cursors.values());
    });
  }

  restore(reader: StateReader): void {
    reader.list(() => {
      const push = new Push(readPushConfig(reader), reader.i64());
      push.paused = reader.bool();
      move(push, readCursors(reader));
      this.#byId.set(push.id, push);
    });
  }

  #known(id: string): Push {
    const push = this.#byId.get(id);
    if (push !== undefined) return push;
    throw new MillraceError('STORE_CORRUPT', `A state of pushes names ${id}, which is not there.`);
  }
}

function move({ cursors }: Push, moved: readonly PlacedCursor[]): void {
  for (const cursor of moved) cursors.set(cursorKey(cursor.topicId, cursor.partition), cursor);
}
