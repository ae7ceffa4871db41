/** Records that the scenarios send: awkward ones, real ones, large ones. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClientDriver, ClientRecord, ReceivedRecord } from './driver.ts';

const FEED = fileURLToPath(new URL('../../examples/data/earthquakes.ndjson', import.meta.url));

/** The 1,707 events of the U.S. Geological Survey, one record each, keyed by their id. */
export function earthquakes(): ClientRecord[] {
  return readFileSync(FEED, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { id } = JSON.parse(line) as { id: string };
      return { key: Buffer.from(id), value: Buffer.from(line), headers: [] };
    });
}

export function text(value: string, partition?: number): ClientRecord {
  return { key: null, value: Buffer.from(value), headers: [], partition };
}

export function texts(count: number, prefix: string): ClientRecord[] {
  return Array.from({ length: count }, (_, i) => text(`${prefix}${i}`));
}

/** Every byte, every kind of absence, as far as the client can say it. */
export function awkwardRecords({ can }: ClientDriver): ClientRecord[] {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const timestamp = can.ownTimestamps ? 1_517_363_399_650 : undefined;
  const records: ClientRecord[] = [
    { key: Buffer.from('k'), value: Buffer.from('v'), headers: [] },
    { key: null, value: Buffer.from('no key'), headers: [] },
    { key: Buffer.from('tombstone'), value: null, headers: [] },
    { key: everyByte, value: everyByte, headers: [] },
    { key: Buffer.from('ключ 🗝'), value: Buffer.from('значение 🌍'), headers: [] },
    {
      key: Buffer.from('h'),
      value: Buffer.from('v'),
      headers: [
        ['trace', Buffer.from('abc')],
        ['span', Buffer.from('1')],
      ],
    },
  ];
  if (can.emptyValues) records.push({ key: Buffer.from('empty'), value: Buffer.alloc(0), headers: [] });
  if (can.binaryHeaders) {
    records.push({
      key: null,
      value: Buffer.from('b'),
      headers: [
        ['bytes', everyByte],
        ['empty', Buffer.alloc(0)],
        ['имя', Buffer.from('я')],
      ],
    });
  }
  if (can.repeatedHeaders) {
    records.push({
      key: null,
      value: Buffer.from('r'),
      headers: [
        ['twice', Buffer.from('1')],
        ['twice', Buffer.from('2')],
      ],
    });
  }
  return records.map((record, i) => ({ ...record, timestamp: timestamp === undefined ? undefined : timestamp + i }));
}

/** Compares what came out with what went in, byte for byte; timestamps where the sender chose them. */
export function assertSame(received: readonly ReceivedRecord[], sent: readonly ClientRecord[]): void {
  assert.equal(received.length, sent.length);
  for (const [i, record] of received.entries()) {
    const original = sent[i] as ClientRecord;
    assert.deepEqual(plain(record), plain(original), `record ${i}`);
    if (original.timestamp !== undefined)
      assert.equal(record.timestamp, original.timestamp, `timestamp of record ${i}`);
  }
}

function plain({ key, value, headers }: ClientRecord) {
  return {
    key: key?.toString('latin1') ?? null,
    value: value?.toString('latin1') ?? null,
    headers: headers.map(([name, bytes]) => [name, bytes.toString('latin1')]),
  };
}
