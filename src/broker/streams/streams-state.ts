/**
 * What makes a topic a stream of the Durable Streams protocol, as folded from the journal: content type, expiry, closure,
 * producers, forks. Decides nothing; `streams.ts` does.
 */
import { assert, MillraceError } from '../../base/errors.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';
import type { CommitNumber } from '../../journal/journal.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import { Stream } from './stream.ts';
import {
  decodeAppended,
  decodeCreated,
  decodeRetired,
  decodeTouched,
  readCreated,
  type StreamCreated,
  writeCreated,
} from './stream-commands.ts';

/** Where topics are found; `TopicsState` is it. */
export interface TopicSource {
  byId(id: string): Topic | undefined;
}

export class StreamsState implements StatePart {
  readonly section = CHECKPOINT_SECTION.STREAMS;
  readonly commands = [COMMAND.STREAM_CREATED, COMMAND.STREAM_APPENDED, COMMAND.STREAM_TOUCHED, COMMAND.STREAM_RETIRED];
  readonly #topics: TopicSource;
  readonly #streams = new Set<Stream>();

  constructor(topics: TopicSource) {
    this.#topics = topics;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** In order of creation. */
  list(): Iterable<Stream> {
    return this.#streams;
  }

  apply(type: number, body: Uint8Array, commit: CommitNumber): void {
    switch (type) {
      case COMMAND.STREAM_CREATED:
        return this.#created(decodeCreated(type, body));
      case COMMAND.STREAM_APPENDED:
        return this.#appended(type, body, commit);
      case COMMAND.STREAM_TOUCHED:
        for (const { topicId, at } of decodeTouched(type, body)) {
          const stream = this.#topics.byId(topicId)?.stream;
          if (stream !== undefined) stream.touchedAt = Math.max(stream.touchedAt, at);
        }
        return;
      case COMMAND.STREAM_RETIRED: {
        const stream = this.#known(decodeRetired(type, body));
        stream.retired = true;
        stream.topic.sealed = true;
        return;
      }
      default:
        assert(false, `command ${type} is not one of streams`);
    }
  }

  /** Part of the fold: the topic goes, and the stream with it. */
  topicDeleted(topic: Topic): void {
    const { stream } = topic;
    if (stream === undefined) return;
    this.#streams.delete(stream);
    const source = stream.config.fork?.source;
    if (source !== undefined) source.forkCount -= 1;
  }

  snapshot(writer: StateWriter): void {
    writer.list(this.#streams, (stream) => {
      const { topic, config, closedBy } = stream;
      const { fork } = config;
      writer.string(topic.id);
      writeCreated(writer, {
        topicId: topic.id,
        ...config,
        createdAt: stream.touchedAt,
        closed: stream.closed,
        fork: fork === undefined ? undefined : { ...fork, sourceId: fork.source.topic.id },
      });
      writer
        .bool(stream.retired)
        .nullableString(stream.writerSeq ?? null)
        .bool(closedBy !== undefined);
      if (closedBy !== undefined) writer.string(closedBy.producerId).i64(closedBy.epoch).i64(closedBy.seq);
      writer.list(stream.producers ?? new Map(), ([id, { epoch, lastSeq, writtenAt }]) =>
        writer.string(id).i64(epoch).i64(lastSeq).i64(writtenAt),
      );
    });
  }

  restore(reader: StateReader): void {
    reader.list(() => {
      const stream = this.#add(readCreated(reader, reader.string()));
      stream.retired = reader.bool();
      stream.topic.sealed = stream.closed || stream.retired;
      stream.writerSeq = reader.nullableString() ?? undefined;
      if (reader.bool()) stream.closedBy = { producerId: reader.string(), epoch: reader.i64(), seq: reader.i64() };
      const producers = reader.list(
        () => [reader.string(), { epoch: reader.i64(), lastSeq: reader.i64(), writtenAt: reader.i64() }] as const,
      );
      if (producers.length > 0) stream.producers = new Map(producers);
    });
  }

  #created(created: StreamCreated): void {
    const stream = this.#add(created);
    stream.topic.sealed = created.closed;
    if (created.fork !== undefined) stream.partition.beginAt(stream.ownStart);
  }

  /** A fork is made after its source, and written after it, so the source is always there. */
  #add(created: StreamCreated): Stream {
    const { topicId, contentType, ttlSeconds, expiresAt, createdAt, closed } = created;
    const topic = this.#topics.byId(topicId);
    if (topic === undefined) throw missing(topicId);
    const fork = created.fork === undefined ? undefined : this.#fork(created.fork);
    const stream = new Stream(topic, { contentType, ttlSeconds, expiresAt, fork }, createdAt);
    stream.closed = closed;
    topic.stream = stream;
    this.#streams.add(stream);
    return stream;
  }

  #fork({ sourceId, ...rest }: NonNullable<StreamCreated['fork']>) {
    const source = this.#topics.byId(sourceId)?.stream;
    if (source === undefined) throw missing(sourceId);
    source.forkCount += 1;
    return { ...rest, source };
  }

  #appended(type: number, body: Uint8Array, commit: CommitNumber): void {
    const { topicId, at, closes, writerSeq, producer, forgotten } = decodeAppended(type, body);
    const stream = this.#known(topicId);
    stream.touchedAt = Math.max(stream.touchedAt, at);
    if (writerSeq !== undefined) stream.writerSeq = writerSeq;
    for (const id of forgotten) stream.producers?.delete(id);
    if (producer !== undefined) {
      stream.producers ??= new Map();
      stream.producers.set(producer.id, { epoch: producer.epoch, lastSeq: producer.seq, writtenAt: at });
    }
    if (!closes) return;
    stream.closed = true;
    stream.closedAtCommit = commit;
    stream.topic.sealed = true;
    if (producer !== undefined) {
      stream.closedBy = { producerId: producer.id, epoch: producer.epoch, seq: producer.seq };
    }
  }

  #known(topicId: string): Stream {
    const stream = this.#topics.byId(topicId)?.stream;
    if (stream === undefined) throw missing(topicId);
    return stream;
  }
}

function missing(topicId: string): MillraceError {
  return new MillraceError('STORE_CORRUPT', `A state of streams names topic id ${topicId}, which is not there.`, {
    details: { topicId },
  });
}
