import type { Partition } from '../../store/partition.ts';
import type { Topic } from '../topic.ts';

/** Where an idempotent HTTP producer stands in one stream. */
export interface StreamProducer {
  readonly epoch: number;
  /** Highest accepted, inclusive. */
  readonly lastSeq: number;
  /** Milliseconds since 1970. */
  readonly writtenAt: number;
}

/** The request that closed a stream, so that its repeat is told from another one. */
export interface ClosingAppend {
  readonly producerId: string;
  readonly epoch: number;
  readonly seq: number;
}

export interface StreamFork {
  readonly source: Stream;
  /** What the creator asked for: a record offset, and how far behind it (bytes, or messages of JSON). */
  readonly askedOffset: number;
  readonly askedSubOffset: number;
  /** Records of the source below this offset are inherited whole. */
  readonly endOffset: number;
  /** Bytes inherited of the record at `endOffset`; 0 for none. That record is then the fork's too, so much shorter. */
  readonly partialBytes: number;
}

/** What is fixed when a stream is made. */
export interface StreamConfig {
  /** As the creator wrote it. */
  readonly contentType: string;
  /** Idle seconds after which the stream is deleted. */
  readonly ttlSeconds: number | undefined;
  /** RFC 3339, as the creator wrote it. */
  readonly expiresAt: string | undefined;
  readonly fork: StreamFork | undefined;
}

/** A run of a stream's records in one partition. */
export interface StreamSegment {
  readonly partition: Partition;
  readonly from: number;
  /** Exclusive; Infinity in the stream's own partition, which is the last. */
  readonly to: number;
  /** Only so many bytes of the (one) record belong to the stream; -1: all. */
  readonly cutBytes: number;
}

/**
 * A topic of one partition as the Durable Streams protocol sees it. Changed only by the fold (`streams-state.ts`), but for
 * `accessedAt`.
 */
export class Stream {
  readonly topic: Topic;
  readonly config: StreamConfig;
  /** Media type without parameters, lower case: what appends are compared with. */
  readonly mediaType: string;
  /** Of `config.expiresAt`, milliseconds since 1970. */
  readonly expiresAtMs: number | undefined;
  closed = false;
  /** Commit that closed it; 0 where that is long durable. Readers are told once it is published. */
  closedAtCommit = 0;
  closedBy: ClosingAppend | undefined;
  /** Last `Stream-Seq`. */
  writerSeq: string | undefined;
  producers: Map<string, StreamProducer> | undefined;
  /** Streams that were forked off this one and exist. */
  forkCount = 0;
  /** Deleted or expired, and kept for its forks alone. */
  retired = false;
  /** Last read or write that is in the journal, milliseconds since 1970; for streams with a TTL. */
  touchedAt: number;
  /** Last read or write; not folded. */
  accessedAt: number;
  /** Called when the stream is closed or retired and that is durable. Not folded. */
  watchers: Set<() => void> | undefined;
  #segments: readonly StreamSegment[] | undefined;

  constructor(topic: Topic, config: StreamConfig, touchedAt: number) {
    this.topic = topic;
    this.config = config;
    this.mediaType = mediaTypeOf(config.contentType);
    this.expiresAtMs = config.expiresAt === undefined ? undefined : Date.parse(config.expiresAt);
    this.touchedAt = touchedAt;
    this.accessedAt = touchedAt;
  }

  get partition(): Partition {
    return this.topic.partition(0) as Partition;
  }

  get isJson(): boolean {
    return this.mediaType === 'application/json';
  }

  /** Offset of the first record that is not inherited. */
  get ownStart(): number {
    const { fork } = this.config;
    return fork === undefined ? 0 : ownStartOf(fork.endOffset, fork.partialBytes);
  }

  /** End (exclusive) of what readers may see. */
  get tailOffset(): number {
    return Math.max(this.partition.lastStableOffset, this.ownStart);
  }

  /** The places of its records, in order and without gaps. */
  get segments(): readonly StreamSegment[] {
    this.#segments ??= this.#findSegments();
    return this.#segments;
  }

  #findSegments(): StreamSegment[] {
    const own = { partition: this.partition, from: this.ownStart, to: Number.POSITIVE_INFINITY, cutBytes: -1 };
    const { fork } = this.config;
    if (fork === undefined) return [own];
    const { segments } = fork.source;
    const inherited = segments
      .filter((segment) => segment.from < fork.endOffset)
      .map((segment) => ({ ...segment, to: Math.min(segment.to, fork.endOffset) }));
    if (fork.partialBytes === 0) return [...inherited, own];
    const cut = segments.find((segment) => fork.endOffset >= segment.from && fork.endOffset < segment.to);
    const partition = cut?.partition ?? fork.source.partition;
    const partial = { partition, from: fork.endOffset, to: fork.endOffset + 1, cutBytes: fork.partialBytes };
    return [...inherited, partial, own];
  }
}

/** A record of which a fork inherits a part takes an offset of its own. */
function ownStartOf(endOffset: number, partialBytes: number): number {
  return partialBytes > 0 ? endOffset + 1 : endOffset;
}

/** `Application/JSON; charset=utf-8` gives `application/json`. */
export function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
