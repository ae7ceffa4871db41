/** Headers that Millrace gives a meaning. Everything else in a record's headers is the user's. */
import { MillraceError } from '../base/errors.ts';
import { foldTopicName } from './topic-name.ts';

/**
 * `topic/partition/offset` of the record that caused this one, for example `orders/3/4711`; SDK processors set it by
 * themselves. The topic may have levels: partition and offset are what stands behind the last two slashes.
 */
export const PARENT_HEADER = 'millrace-parent';

/** Where a record is. */
export interface RecordPlace {
  /** Canonical, dotted. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

const PLACE = /^(.+)\/(\d{1,10})\/(\d{1,16})$/s;
/** Partition numbers are 32 bits signed on the wire. */
const MAX_PARTITION = 0x7fff_ffff;

/** A place as headers have it: `topic/partition/offset`. */
export function formatRecordPlace(place: RecordPlace): string {
  return `${place.topic}/${place.partition}/${place.offset}`;
}

/** @throws MODEL_RECORD_INVALID, or MODEL_TOPIC_NAME_INVALID for the topic in it. */
export function parseRecordPlace(text: string): RecordPlace {
  const match = PLACE.exec(text);
  const partition = Number(match?.[2]);
  const offset = Number(match?.[3]);
  if (!match || !(partition <= MAX_PARTITION) || !Number.isSafeInteger(offset)) {
    const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
    throw new MillraceError(
      'MODEL_RECORD_INVALID',
      `${shown} names no record; expected topic/partition/offset, for example orders/3/4711.`,
      { details: { header: PARENT_HEADER } },
    );
  }
  return { topic: foldTopicName(match[1] as string), partition, offset };
}
