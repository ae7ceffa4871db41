/** The work that a broker does while it is killed: producers, a reader that follows, and changes of state. */
import { encodeBatch } from '../../src/model/batch-builder.ts';
import { offsetCommit, offsetFetch } from '../../src/wire/index.ts';
import { RawClient } from '../kit/raw-client.ts';
import type { SeededRandom } from '../kit/seeded-random.ts';
import { BrokenPromise, EPOCH_MS, type KillModel, type LaneName } from './kill-model.ts';

/** Below the five batches that a broker remembers of an idempotent producer. */
const MAX_IN_FLIGHT = 4;
const MAX_RECORDS = 20;
const MAX_VALUE_BYTES = 3000;
const GROUP = 'kill.group';

interface Attempt {
  readonly serial: number;
  readonly lane: number;
  readonly batch: Uint8Array;
}

/**
 * Writes with acks=all, several batches in flight on one connection. An idempotent one sends what was not acknowledged again
 * after a restart, in order, so that all it sends ends up in the log exactly once; a plain one forgets it.
 */
export class KillProducer {
  readonly #model: KillModel;
  readonly #random: SeededRandom;
  readonly #idempotent: boolean;
  readonly #sequences: number[];
  #identity: { producerId: number; producerEpoch: number } | undefined;
  #inFlight: Attempt[] = [];

  constructor(model: KillModel, random: SeededRandom, idempotent: boolean) {
    this.#model = model;
    this.#random = random;
    this.#idempotent = idempotent;
    this.#sequences = model.lanes.map(() => 0);
  }

  /** Writes until the connection is lost. @throws BrokenPromise, and whatever is not the loss of the connection. */
  async run(address: string): Promise<void> {
    using client = await RawClient.connect(address);
    if (this.#idempotent) this.#identity ??= await client.producerId();
    const again = this.#idempotent ? this.#inFlight : [];
    this.#inFlight = [];
    const answers = new Set<Promise<void>>();
    const send = (attempt: Attempt): void => {
      const answer: Promise<void> = this.#send(client, attempt).finally(() => answers.delete(answer));
      answers.add(answer);
    };
    for (const attempt of again) send(attempt);
    try {
      for (;;) {
        while (answers.size < MAX_IN_FLIGHT) send(this.#next());
        await Promise.race(answers);
      }
    } finally {
      await Promise.allSettled(answers);
    }
  }

  /** Sends the rest and waits for it, so that the log holds everything that an idempotent producer ever sent. */
  async finish(address: string): Promise<void> {
    if (!this.#idempotent) return;
    using client = await RawClient.connect(address);
    const again = this.#inFlight;
    this.#inFlight = [];
    await Promise.all(again.map((attempt) => this.#send(client, attempt)));
  }

  async #send(client: RawClient, attempt: Attempt): Promise<void> {
    const { topic, partition } = this.#model.lanes[attempt.lane] as LaneName;
    this.#inFlight.push(attempt);
    const offset = await client.produceBatch(topic, partition, attempt.batch);
    this.#model.acked(attempt.serial, attempt.lane, offset);
    this.#inFlight = this.#inFlight.filter((other) => other !== attempt);
  }

  #next(): Attempt {
    const random = this.#random;
    const lane = random.below(this.#model.lanes.length);
    const serial = this.#model.nextSerial();
    const count = 1 + random.below(MAX_RECORDS);
    const baseSequence = this.#sequences[lane] as number;
    this.#sequences[lane] = baseSequence + count;
    const filling = Buffer.alloc(random.below(MAX_VALUE_BYTES), random.bytes(16));
    const records = Array.from({ length: count }, (_, i) => ({
      key: `${serial}/${i}`,
      value: filling.subarray(0, random.below(filling.length + 1)),
      timestamp: EPOCH_MS + serial,
    }));
    const producer = this.#identity === undefined ? {} : { producer: { ...this.#identity, baseSequence } };
    const codec = random.chance(0.2) ? 'gzip' : 'none';
    const batch = Uint8Array.from(encodeBatch(records, { codec, ...producer }));
    this.#model.sent(serial, lane, batch);
    return { serial, lane, batch };
  }
}

/** Follows the end of all partitions; what it got may never change. */
export class KillReader {
  readonly #model: KillModel;
  readonly #next: number[];

  constructor(model: KillModel) {
    this.#model = model;
    this.#next = model.lanes.map(() => 0);
  }

  /** Reads until the connection is lost. */
  async run(address: string): Promise<void> {
    await Promise.all(this.#model.lanes.map(async (lane, index) => await this.#follow(address, lane, index)));
  }

  async #follow(address: string, { topic, partition }: LaneName, lane: number): Promise<void> {
    using client = await RawClient.connect(address);
    for (;;) {
      const from = this.#next[lane] as number;
      const answer = await client.fetch(topic, partition, from, { maxWaitMs: 500 });
      if (answer.errorCode !== 0)
        throw new BrokenPromise(`a reader of ${topic}/${partition} at ${from} gets error ${answer.errorCode}`);
      this.#next[lane] = this.#model.seen(lane, answer.records, from);
    }
  }
}

/** Creates topics and commits offsets, one after the other; both are state that the journal folds. */
export class KillAdmin {
  readonly #topic: LaneName;
  #topicsCreated = 0;
  #committed = -1;
  #asked = -1;

  constructor(topic: LaneName) {
    this.#topic = topic;
  }

  async run(address: string): Promise<void> {
    using client = await RawClient.connect(address);
    for (;;) {
      this.#asked++;
      await this.#commit(client, this.#asked);
      this.#committed = this.#asked;
      if (this.#asked % 20 !== 0) continue;
      await client.createTopic(`kill.extra.${this.#topicsCreated}`).catch((error: Error) => {
        // The creation whose answer the last kill swallowed.
        if (!error.message.includes('TOPIC_ALREADY_EXISTS')) throw error;
      });
      this.#topicsCreated++;
    }
  }

  async check(client: RawClient): Promise<void> {
    const topics = await client.topics();
    for (let i = 0; i < this.#topicsCreated; i++) {
      if (!topics.has(`kill.extra.${i}`)) throw new BrokenPromise(`topic kill.extra.${i} was created and vanished`);
    }
    const { topic: name, partition } = this.#topic;
    const answer = await client.request(offsetFetch, 5, {
      groupId: GROUP,
      topics: [{ name, partitionIndexes: [partition] }],
    });
    const committed = answer.topics[0]?.partitions[0]?.committedOffset ?? -1;
    if (committed < this.#committed || committed > this.#asked)
      throw new BrokenPromise(
        `offset ${this.#committed} was committed (${this.#asked} asked for), ${committed} is there`,
      );
    this.#committed = committed;
  }

  async #commit(client: RawClient, committedOffset: number): Promise<void> {
    const { topic: name, partition: partitionIndex } = this.#topic;
    const { topics } = await client.request(offsetCommit, 5, {
      groupId: GROUP,
      topics: [{ name, partitions: [{ partitionIndex, committedOffset }] }],
    });
    const errorCode = topics[0]?.partitions[0]?.errorCode;
    if (errorCode !== 0) throw new BrokenPromise(`committing an offset gives error ${errorCode}`);
  }
}
