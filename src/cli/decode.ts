/** `millrace decode`: a `.ss` file as text, in the forms that SeaStreamer's own decoder prints; verify and repair. */
import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import {
  fileError,
  isEndOfStream,
  readSsHeader,
  repairSs,
  SS_HEADER_BYTES,
  type SsBeacon,
  type SsHeader,
  type SsMessage,
  type SsReport,
  scanSs,
  verifySs,
} from '../client/ss.ts';
import { oneOf } from './options.ts';
import { plural, print, printJson, printLine } from './output.ts';
import { messageHeaderJson, payloadJson, textOf, time } from './ss-json.ts';

interface Options {
  readonly format: 'log' | 'ndjson';
  readonly headerOnly?: boolean;
  readonly verify?: true;
  readonly repair?: string;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ millrace decode orders.ss
  $ millrace decode orders.ss --format ndjson | grep -v '^/\\*' | jq .payload
  $ millrace decode orders.ss --verify
  $ millrace decode damaged.ss --repair sound.ss

--verify ends with exit code 1 where the file is damaged. A file that ends within a message is not: its writer may be at it.`;
const PRINT_CHARS = 256 * 1024;

export function register(program: Command): void {
  program
    .command('decode <file>')
    .description('show a .ss file of SeaStreamer as text; check it; repair it')
    .option('--format <form>', 'log or ndjson', oneOf('--format', ['log', 'ndjson']), 'log')
    .option('--header-only', 'leave out payloads')
    .option('--verify', 'check every byte and say what is damaged')
    .option('--repair <copy>', 'write every sound message to a new file')
    .option('--json', 'with --verify and --repair: print JSON')
    .addHelpText('after', EXAMPLES)
    .action(decode);
}

async function decode(file: string, options: Options): Promise<void> {
  if (options.repair !== undefined) {
    const report = await repairSs(file, options.repair);
    await printReport(file, report, options);
    await printLine(`wrote ${plural(report.messageCount, 'message')} to ${options.repair}`);
    return;
  }
  if (options.verify === true) {
    const report = await verifySs(file);
    await printReport(file, report, options);
    if (report.damages.length === 0) return;
    throw new MillraceError(
      'CLIENT_FILE_CORRUPT',
      `${file}: ${plural(report.damages.length, 'damaged place')}, named above. Save what is sound with --repair COPY.ss.`,
      { details: { path: file } },
    );
  }
  await show(file, options);
}

async function show(file: string, { format, headerOnly = false }: Options): Promise<void> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw fileError(error, file, 'Reading');
  });
  const comment = (json: string): string => (format === 'log' ? `# ${json}\n` : `/* ${json} */\n`);
  try {
    const header = await readSsHeader(handle);
    let text = comment(headerJson(header));
    let beacon: SsBeacon | undefined;
    for await (const item of scanSs({ handle, header }, SS_HEADER_BYTES, (await handle.stat()).size)) {
      if (item.type === 'beacon') {
        beacon = item.beacon;
        continue;
      }
      text += format === 'log' ? logLine(item.message, headerOnly) : ndjsonLine(item.message, headerOnly);
      // Of several beacons within one message, the last.
      if (beacon !== undefined) text += comment(beaconJson(beacon));
      beacon = undefined;
      if (text.length > PRINT_CHARS) {
        await print(text);
        text = '';
      }
      if (isEndOfStream(item.message)) break;
    }
    await print(text);
  } finally {
    await handle.close();
  }
}

function logLine(message: SsMessage, headerOnly: boolean): string {
  const { timestamp, key, sequence, shard, payload } = message;
  const head = `[${time(timestamp)} | ${key} | ${sequence} | ${shard}]`;
  return headerOnly ? `${head}\n` : `${head} ${textOf(payload) ?? '<BINARY BLOB>'}\n`;
}

function ndjsonLine(message: SsMessage, headerOnly: boolean): string {
  return `{"header":${messageHeaderJson(message)},"payload":${headerOnly ? 'null' : payloadJson(message.payload)}}\n`;
}

function headerJson({ fileName, createdAt, beaconInterval }: SsHeader): string {
  return JSON.stringify({ file_name: fileName, created_at: time(createdAt), beacon_interval: beaconInterval });
}

function beaconJson({ items }: SsBeacon): string {
  return `[${items.map((item) => `{"header":${messageHeaderJson(item)},"running_checksum":${item.runningChecksum}}`).join(',')}]`;
}

async function printReport(file: string, report: SsReport, options: Options): Promise<void> {
  if (options.json === true) return await printJson(report);
  const { messageCount, beaconCount, sizeBytes, damages, cutOffset, endOfStream, checksumNotes } = report;
  await printLine(
    `${file}: ${plural(messageCount, 'message')}, ${plural(beaconCount, 'beacon')}, ${plural(sizeBytes, 'byte')}${endOfStream ? ', end of stream' : ''}`,
  );
  for (const { offset, endOffset, why } of damages) await printLine(`damaged: bytes ${offset} to ${endOffset}: ${why}`);
  if (cutOffset !== undefined) await printLine(`ends within a message that begins at byte ${cutOffset}`);
  for (const note of checksumNotes) await printLine(`note: ${note}`);
}
