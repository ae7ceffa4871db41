/** The place of one record as text: `food.eggs/0/17`, as the header `millrace-parent` has it. */
import { foldTopicName } from './topic-name.ts';

/** Header of a record that another one caused: where that one stands. Once for each cause. */
export const PARENT_HEADER = 'millrace-parent';

export interface RecordPosition {
  /** Canonical. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

const FORM = /^(.+)\/(\d{1,10})\/(\d{1,16})$/;
const MAX_PARTITION = 0x7fff_ffff;

/** Undefined where the text is none. Slashes in the topic's name are taken too. */
export function parseRecordPosition(text: string): RecordPosition | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, name = '', partitionText, offsetText] = match;
  const [partition, offset] = [Number(partitionText), Number(offsetText)];
  if (partition > MAX_PARTITION || !Number.isSafeInteger(offset)) return undefined;
  try {
    return { topic: foldTopicName(name), partition, offset };
  } catch {
    return undefined;
  }
}

export function formatRecordPosition({ topic, partition, offset }: RecordPosition): string {
  return `${topic}/${partition}/${offset}`;
}
