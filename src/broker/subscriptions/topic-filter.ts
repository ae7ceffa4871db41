/** Which partitions a subscriber wants. A topic's name is looked at once; after that a partition is one byte. */
import type { TopicPattern } from '../../model/topic-pattern.ts';
import type { Topic } from '../topic.ts';

const UNKNOWN = 0;
const WANTED = 1;
const OTHER = 2;
const NOTHING = new Uint8Array(0);
const MIN_KNOWN = 256;

export class TopicFilter {
  readonly #patterns: readonly TopicPattern[];
  readonly #topicOf: (partition: number) => Topic | undefined;
  /** By partition number. */
  #known = NOTHING;

  /** @param topicOf the topic of a partition by its number in the lane; undefined where it was deleted. */
  constructor(patterns: readonly TopicPattern[], topicOf: (partition: number) => Topic | undefined) {
    this.#patterns = patterns;
    this.#topicOf = topicOf;
  }

  /** The partition's topic where it is wanted and still there. */
  wanted(partition: number): Topic | undefined {
    const known = this.#known[partition] ?? UNKNOWN;
    if (known === OTHER) return undefined;
    const topic = this.#topicOf(partition);
    // A deleted topic stays deleted: numbers are never used again.
    if (known === UNKNOWN) this.#learn(partition, topic);
    return this.#known[partition] === WANTED ? topic : undefined;
  }

  #learn(partition: number, topic: Topic | undefined): void {
    if (partition >= this.#known.length) {
      const larger = new Uint8Array(Math.max(MIN_KNOWN, 2 * (partition + 1)));
      larger.set(this.#known);
      this.#known = larger;
    }
    const wanted = topic !== undefined && this.#patterns.some((pattern) => pattern.matches(topic.name));
    this.#known[partition] = wanted ? WANTED : OTHER;
  }
}
