/** `Millrace-Parent` of a write: the record that caused all of its records. */
import { MillraceError } from '../../base/errors.ts';
import { formatRecordPosition, PARENT_HEADER, parseRecordPosition } from '../../model/record-position.ts';
import type { ProducedRecord } from './record-input.ts';

/** @returns the header of the records, undefined where nothing is said. @throws HTTP_REQUEST_INVALID. */
export function parentOf(given: string | string[] | undefined): string | undefined {
  if (given === undefined) return undefined;
  const position = typeof given === 'string' ? parseRecordPosition(given) : undefined;
  if (position !== undefined) return formatRecordPosition(position);
  throw new MillraceError(
    'HTTP_REQUEST_INVALID',
    `Header ${PARENT_HEADER} must be the place of one record, like food.eggs/0/17: topic, partition, offset.`,
    { details: { in: 'headers', name: PARENT_HEADER } },
  );
}

/** Records that name their cause themselves keep it. */
export function* withParent(
  records: Iterable<ProducedRecord>,
  parent: string,
): Generator<ProducedRecord, void, undefined> {
  for (const record of records) {
    const { headers } = record;
    if (headers.some(({ key }) => key === PARENT_HEADER)) yield record;
    else yield { ...record, headers: [...headers, { key: PARENT_HEADER, value: parent }] };
  }
}
