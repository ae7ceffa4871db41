/**
 * The journal as text, one line per file, commit and entry: for people, and for tests that compare.
 */
import { KIND_BATCHES, type Row } from './commit.ts';
import { hex } from './file-header.ts';
import { type WalkedItem, type WalkOptions, walkJournal } from './walk.ts';

/** Items with rows, for programs (`--json`). */
export function dumpJournal(options: WalkOptions): AsyncGenerator<WalkedItem, void, undefined> {
  return walkJournal({ ...options, withRows: true });
}

/** @example `commit 12 at 1:4096, 224 bytes, 2026-11-20T13:00:00.000Z, durable to 11` */
export function* describeItem(item: WalkedItem): Generator<string, void, undefined> {
  switch (item.kind) {
    case 'file':
      yield `file ${item.file}, ${item.sizeBytes} bytes, from commit ${item.header.firstCommit}, ${time(item.header.createdAt)}`;
      return;
    case 'commit': {
      const end = item.cleanEnd ? ', clean end' : '';
      const place = `${item.file}:${item.position}`;
      yield `commit ${item.commit} at ${place}, ${item.sizeBytes} bytes, ${time(item.createdAt)}, durable to ${item.durableCommit}${end}`;
      for (const row of item.rows) yield `  ${describeRow(row)}`;
      return;
    }
    case 'problem':
      yield `${item.severity.toUpperCase()} at ${item.file}:${item.position}, commit ${item.commit}: ${item.problem}`;
      return;
    default:
      item satisfies never;
  }
}

function describeRow(row: Row): string {
  if (row.kind !== KIND_BATCHES)
    return `command ${row.command}, ${row.bytes} bytes, checksum ${hex(row.checksumOrCount)}`;
  const last = row.baseOffset + row.checksumOrCount - 1;
  return `batches of partition ${row.partition}, offsets ${row.baseOffset} to ${last}, ${row.bytes} bytes`;
}

function time(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? `${milliseconds} ms` : date.toISOString();
}
