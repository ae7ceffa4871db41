/** Setup before the load: one request at a time over its own connection. */
import { MillraceError } from '../../base/errors.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { createTopicsFrame, listOffsetsFrame, metadataFrame, type Target } from './frames.ts';
import { type Address, connectRaw, type RawSocket } from './raw-socket.ts';
import { failOnError, ResponseReader } from './responses.ts';

/** Metadata of a topic is about 40 bytes a partition; a hundred thousand topics fit. */
const MAX_ADMIN_FRAME_BYTES = 256 * 1024 * 1024;
/** Topics named in one request: a step small enough to show progress and to stay within any broker's limits. */
const TOPICS_PER_REQUEST = 1000;
const TOPIC_ALREADY_EXISTS = 36;

export class AdminClient {
  readonly #timeoutMs: number;
  #connection: RawSocket | undefined;
  #pending: { resolve: (frame: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** @param timeoutMs for each answer; creating many topics takes a broker its time. */
  static async connect(address: Address, timeoutMs = 60_000): Promise<AdminClient> {
    const client = new AdminClient(timeoutMs);
    const splitter = new FrameSplitter(MAX_ADMIN_FRAME_BYTES, (bytes, start, end) => {
      client.#pending?.resolve(Buffer.from(bytes.subarray(start, end)));
    });
    client.#connection = await connectRaw(address, {
      onBytes: (bytes, end) => splitter.push(bytes, end),
      onFailure: (error) => client.#pending?.reject(error),
    });
    return client;
  }

  close(): void {
    this.#connection?.close();
  }

  /** One round trip: the broker answers requests. */
  async ping(): Promise<void> {
    await this.#ask(metadataFrame(0, []));
  }

  /**
   * Creates the topics that do not exist yet, then checks that each has the partitions asked for.
   * @param progress called with the number created so far.
   */
  async createTopics(topics: readonly string[], partitions: number, progress?: (done: number) => void): Promise<void> {
    for (let first = 0; first < topics.length; first += TOPICS_PER_REQUEST) {
      const some = topics.slice(first, first + TOPICS_PER_REQUEST);
      const answer = new ResponseReader(...(await this.#ask(createTopicsFrame(1, some, partitions))), 'CreateTopics');
      answer.skip(8); // correlation id, throttle time
      for (let left = answer.int32(); left > 0; left--) {
        const topic = answer.string();
        const code = answer.int16();
        answer.string();
        if (code !== TOPIC_ALREADY_EXISTS) failOnError(code, 'CreateTopics', topic, undefined);
      }
      progress?.(first + some.length);
    }
  }

  /** @throws MillraceError CLIENT_REFUSED when a topic is missing or has fewer partitions. */
  async checkTopics(topics: readonly string[], partitions: number): Promise<void> {
    for (let first = 0; first < topics.length; first += TOPICS_PER_REQUEST) {
      const some = topics.slice(first, first + TOPICS_PER_REQUEST);
      const answer = new ResponseReader(...(await this.#ask(metadataFrame(2, some))), 'Metadata');
      answer.skip(8); // correlation id, throttle time
      for (let left = answer.int32(); left > 0; left--) {
        answer.skip(4);
        answer.string();
        answer.skip(4);
        answer.string(); // rack
      }
      answer.string(); // cluster id
      answer.skip(4); // controller
      for (let left = answer.int32(); left > 0; left--) checkTopic(answer, partitions);
    }
  }

  /** @param timestamp -1 for the end (exclusive), -2 for the start. @returns offsets in the order of `targets`. */
  async offsets(targets: readonly Target[], timestamp: -1 | -2): Promise<number[]> {
    const found = new Map<string, number>();
    for (let first = 0; first < targets.length; first += TOPICS_PER_REQUEST) {
      const some = targets.slice(first, first + TOPICS_PER_REQUEST);
      const answer = new ResponseReader(...(await this.#ask(listOffsetsFrame(3, some, timestamp))), 'ListOffsets');
      answer.skip(4);
      for (let topics = answer.int32(); topics > 0; topics--) {
        const topic = answer.string();
        for (let partitions = answer.int32(); partitions > 0; partitions--) {
          const partition = answer.int32();
          failOnError(answer.int16(), 'ListOffsets', topic, partition);
          answer.skip(8); // timestamp
          found.set(`${topic}/${partition}`, answer.int64());
        }
      }
    }
    return targets.map((target) => {
      const offset = found.get(`${target.topic}/${target.partition}`);
      if (offset === undefined) {
        throw new MillraceError(
          'WIRE_MALFORMED',
          `The ListOffsets answer leaves out ${target.topic}, which was asked.`,
        );
      }
      return offset;
    });
  }

  async #ask(frame: Buffer): Promise<[bytes: Buffer, start: number, end: number]> {
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<Buffer>((resolve, reject) => {
      this.#pending = { resolve, reject };
      timer = setTimeout(() => reject(this.#timedOut()), this.#timeoutMs);
      this.#connection?.socket.write(frame);
    }).finally(() => clearTimeout(timer));
    return [answer, 0, answer.length];
  }

  #timedOut(): MillraceError {
    return new MillraceError(
      'CLIENT_TIMED_OUT',
      `The broker did not answer within ${this.#timeoutMs / 1000} s. Is it stuck?`,
    );
  }
}

function checkTopic(answer: ResponseReader, partitions: number): void {
  const code = answer.int16();
  const topic = answer.string();
  failOnError(code, 'Metadata', topic, undefined, 'Create it first: `millrace bench produce` does.');
  answer.skip(1); // internal
  const count = answer.int32();
  if (count < partitions) {
    throw new MillraceError(
      'CLIENT_REFUSED',
      `Topic ${topic} exists with ${count} partitions; the run asks for ${partitions}. Use another --topic or fewer --partitions.`,
      { details: { topic, partitions: count, wanted: partitions } },
    );
  }
  for (let left = count; left > 0; left--) {
    answer.skip(2 + 4 + 4); // error, index, leader
    answer.skip(answer.int32() * 4); // replicas
    answer.skip(answer.int32() * 4); // in sync
  }
}
