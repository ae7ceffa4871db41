/**
 * Positions of a resumable consumer, kept by the broker under the group's name: the same that Kafka clients see, who may go on
 * from there. A group has no members over HTTP, so nothing keeps two consumers from using one group; a group that has members
 * over the Kafka protocol is refused (BROKER_GROUP_NOT_EMPTY).
 */
import { MillraceError } from '../../../base/errors.ts';
import type { Place } from '../../position.ts';
import { type PositionMark, partitionKey } from '../../position-marks.ts';
import { type Api, persist } from './api.ts';

interface OffsetsJson {
  readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[];
}

/** Longest wait for a broker that is away: the consumer that commits waits as long, also when it closes. */
const COMMIT_LIMIT_MS = 30_000;

export class GroupPositions {
  readonly #api: Api;
  readonly #path: string;

  constructor(api: Api, group: string) {
    this.#api = api;
    this.#path = `/v1/groups/${encodeURIComponent(group)}/offsets`;
  }

  /** Next offset of each partition that the group has committed, by `keyOf`. */
  async load(): Promise<Map<string, bigint>> {
    try {
      const { offsets } = await persist<OffsetsJson>(this.#api, this.#path, {});
      return new Map(offsets.map(({ offset, ...place }) => [GroupPositions.keyOf(place), BigInt(offset)]));
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'BROKER_GROUP_NOT_FOUND') return new Map();
      throw error;
    }
  }

  /** Durable when it resolves. @throws MillraceError CLIENT_TIMED_OUT where the broker stays away; unknown whether committed. */
  async save(marks: readonly PositionMark[]): Promise<void> {
    const offsets = marks.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: Number(nextOffset) }));
    const late = new AbortController();
    const timer = this.#api.clock.schedule(COMMIT_LIMIT_MS, () => late.abort());
    try {
      await persist(this.#api, this.#path, { method: 'POST', body: { offsets }, signal: late.signal });
    } catch (error) {
      if (!late.signal.aborted) throw error;
      throw new MillraceError('CLIENT_TIMED_OUT', `Committing took longer than ${COMMIT_LIMIT_MS} ms.`, {
        cause: error,
      });
    } finally {
      timer.cancel();
    }
  }

  /** The broker answers with dots where a program may have slashes. */
  static keyOf({ topic, partition }: Required<Place>): string {
    return partitionKey({ topic: topic.replaceAll('/', '.'), partition });
  }
}
