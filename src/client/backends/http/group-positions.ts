/**
 * Positions of a resumable consumer, kept by the broker under the group's name: the same that Kafka clients see, who may go on
 * from there. A group has no members over HTTP, so nothing keeps two consumers from using one group; a group that has members
 * over the Kafka protocol is refused (BROKER_GROUP_NOT_EMPTY).
 */
import { MillraceError } from '../../../base/errors.ts';
import type { AbortOptions } from '../../abort.ts';
import type { Place } from '../../position.ts';
import { type PositionMark, partitionKey } from '../../position-marks.ts';
import { type Api, persist } from './api.ts';

interface OffsetsJson {
  readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[];
}

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

  /** Durable when it resolves; a broker that is away is waited for. @throws MillraceError CLIENT_ABORTED; unknown whether committed. */
  async save(marks: readonly PositionMark[], { signal }: AbortOptions): Promise<void> {
    const offsets = marks.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: Number(nextOffset) }));
    await persist(this.#api, this.#path, { method: 'POST', body: { offsets }, signal });
  }

  /** The broker answers with dots where a program may have slashes. */
  static keyOf({ topic, partition }: Required<Place>): string {
    return partitionKey({ topic: topic.replaceAll('/', '.'), partition });
  }
}
