/** How `millrace consume` prints a record. */
export interface RecordFormatOptions {
  /** The record object as the broker sent it. */
  readonly json: boolean;
  /** Key, this text, value; otherwise the value alone. */
  readonly keySeparator: string | undefined;
}

/** From the record object's JSON text to what is printed, with a line feed at the end. */
export type RecordFormatter = (recordJson: string) => Uint8Array;

interface RecordObject {
  readonly key?: string | null;
  readonly keyBase64?: string;
  readonly value?: string | null;
  readonly valueBase64?: string;
}

const LINE_FEED = Buffer.from('\n');
const NOTHING = Buffer.alloc(0);

export function recordFormatter(options: RecordFormatOptions): RecordFormatter {
  if (options.json) return (recordJson) => Buffer.from(`${recordJson}\n`);
  const separator = options.keySeparator === undefined ? undefined : Buffer.from(options.keySeparator);
  return (recordJson) => {
    const record = JSON.parse(recordJson) as RecordObject;
    const value = bytesOf(record.value, record.valueBase64);
    if (separator === undefined) return Buffer.concat([value, LINE_FEED]);
    return Buffer.concat([bytesOf(record.key, record.keyBase64), separator, value, LINE_FEED]);
  };
}

/** A missing key or value prints as nothing. */
function bytesOf(text: string | null | undefined, base64: string | undefined): Buffer {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return typeof text === 'string' ? Buffer.from(text) : NOTHING;
}
