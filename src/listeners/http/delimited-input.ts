/** Bodies that are values and nothing else: lines, and sizes with bytes behind them. */
import { MillraceError } from '../../base/errors.ts';
import type { ProducedRecord } from './record-input.ts';

const SIZE_BYTES = 4;
/** A size that says: no value. */
const NO_VALUE = -1;

/**
 * One record a line. What stands behind the last line ending is a record too, where it is not empty.
 *
 * @param template what is said of every record.
 */
export function* lineRecords(
  body: Buffer,
  lineEnding: string,
  template: ProducedRecord,
): Generator<ProducedRecord, void, undefined> {
  for (let start = 0; start < body.length; ) {
    const found = body.indexOf(lineEnding, start, 'latin1');
    const end = found === -1 ? body.length : found;
    yield { ...template, value: body.subarray(start, end) };
    start = found === -1 ? end : end + lineEnding.length;
  }
}

/** One record for each size (i32, big-endian) and its bytes; -1: no value. @throws HTTP_REQUEST_INVALID naming the record. */
export function* sizedRecords(body: Buffer, template: ProducedRecord): Generator<ProducedRecord, void, undefined> {
  let index = 0;
  for (let at = 0; at < body.length; index++) {
    const left = body.length - at - SIZE_BYTES;
    if (left < 0) throw refuse(index, at, `has ${left + SIZE_BYTES} bytes of its size where ${SIZE_BYTES} belong`);
    const size = body.readInt32BE(at);
    at += SIZE_BYTES;
    if (size < NO_VALUE) throw refuse(index, at, `has a size of ${size}`);
    if (size > left) throw refuse(index, at, `has a size of ${size}, and ${left} bytes are left`);
    const end = at + Math.max(size, 0);
    yield { ...template, value: size === NO_VALUE ? null : body.subarray(at, end) };
    at = end;
  }
}

function refuse(index: number, position: number, what: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `In the body, record ${index} ${what}.`, {
    details: { where: `record ${index}`, position },
  });
}
