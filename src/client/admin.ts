/** Topics of a back end, for programs that manage them. */

import { MillraceError } from '../base/errors.ts';
import { type AbortOptions, abortable } from './abort.ts';
import type { BackendAdmin, CreateTopicOptions, TopicFacts, TrimLimit } from './backend.ts';

/** Topics of a back end: create, delete, list, describe. */
export class Admin {
  readonly #admin: BackendAdmin;

  /** @internal Use `client.admin`. */
  constructor(admin: BackendAdmin) {
    this.#admin = admin;
  }

  /** @throws MillraceError BROKER_TOPIC_EXISTS where it is there already. Abort: it may still be created. */
  async createTopic(topic: string, options: CreateTopicOptions = {}): Promise<void> {
    await abortable(this.#admin.createTopic(topic, options), options.signal);
  }

  /** @throws MillraceError CLIENT_TOPIC_NOT_FOUND. Abort: it may still be deleted. */
  async deleteTopic(topic: string, { signal }: AbortOptions = {}): Promise<void> {
    await abortable(this.#admin.deleteTopic(topic), signal);
  }

  /** Names, sorted. */
  async listTopics({ signal }: AbortOptions = {}): Promise<string[]> {
    return await abortable(this.#admin.listTopics(), signal);
  }

  /** Partitions with the offsets that can be read. @throws MillraceError CLIENT_TOPIC_NOT_FOUND. */
  async describeTopic(topic: string, { signal }: AbortOptions = {}): Promise<TopicFacts> {
    return await abortable(this.#admin.describeTopic(topic), signal);
  }

  /**
   * Deletes the oldest records of a topic.
   *
   * @param limit what stays: `{ keepRecords }` in each partition, or all `{ fromTimestamp }`.
   * @throws MillraceError CLIENT_UNSUPPORTED where the back end cannot: `redis://` and `http://` can. CLIENT_TOPIC_NOT_FOUND.
   *   Abort: they may still be deleted.
   */
  async trimTopic(topic: string, limit: TrimLimit, { signal }: AbortOptions = {}): Promise<void> {
    const admin = this.#admin;
    if (admin.trimTopic === undefined)
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        'Here records go by the settings of their topic; redis:// and http:// can trim.',
      );
    await abortable(admin.trimTopic(topic, limit), signal);
  }
}
