/**
 * `millrace demo`, which is `npm start`: a broker on its defaults, 1,707 real earthquakes replayed into it within about a
 * minute and a half, and lines to paste that show them arriving.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { formatAddress } from '../server/address.ts';
import { createLogger, errorFacts } from '../server/logger.ts';
import { type Closable, closeOnSignal } from '../server/signals.ts';
import { startServer } from '../server/start-server.ts';
import { ApiClient, topicPath } from './api-client.ts';
import { integer } from './options.ts';
import { plural, print, printLine } from './output.ts';
import { Progress } from './progress.ts';
import { RecordWriter } from './record-writer.ts';
import { parseEvents, planReplay, type ReplayEvent } from './replay.ts';
import { type ServeOptions, serverConfig, settingsHelp, withServeOptions } from './serve.ts';
import type { TopicDetail } from './topic-answers.ts';

const TOPIC = 'demo/earthquakes';
const FEED = new URL('../../examples/data/earthquakes.ndjson', import.meta.url);
const DEFAULT_SECONDS = 90;

interface Options extends ServeOptions {
  readonly seconds: number;
}

const EXAMPLES = `
Examples:
  $ millrace demo
  $ millrace demo --seconds 10 --data /tmp/demo --kafka 127.0.0.1:19092 --http 127.0.0.1:17123

The events are a week of the U.S. Geological Survey's public feed. Those that the topic holds already are not written
again, so a restart goes on where the last run ended.`;

export function register(program: Command): void {
  withServeOptions(
    program.command('demo').description('run a broker and replay real earthquakes into demo/earthquakes'),
  )
    .option('--seconds <count>', 'length of the replay', integer('--seconds', 0, 86_400), DEFAULT_SECONDS)
    .addHelpText('after', EXAMPLES)
    .addHelpText('after', settingsHelp())
    .action(demo);
}

async function demo(options: Options): Promise<void> {
  const logger = createLogger(options.logLevel);
  await closeOnSignal(startDemo(options, logger), logger);
}

async function startDemo(options: Options, logger: Logger): Promise<Closable> {
  const server = await startServer(serverConfig(options), { clock: systemClock, logger });
  const replay = new AbortController();
  const http = formatAddress(server.httpAddress);
  // First, so that a line which is pasted at once finds the topic.
  await createTopic(http);
  await print(invitation(formatAddress(server.kafkaAddress), http));
  const replayed = replayFeed(http, options.seconds * 1000, replay.signal).catch((error: unknown) => {
    // The broker is what was asked for; it goes on, and the log says what is missing.
    if (!replay.signal.aborted) logger.error('the replay ended early', errorFacts(error));
  });
  return {
    async close() {
      replay.abort();
      await replayed;
      await server.close();
    },
  };
}

/** Each line works when pasted into another terminal while the demo runs. */
function invitation(kafka: string, http: string): string {
  const command = commandLine();
  const address = http === '127.0.0.1:7123' ? '' : ` --http ${http}`;
  const lines: [string, string][] = [
    ['Kafka', `kcat -C -b ${kafka} -t demo.earthquakes -o beginning -f '%k %s\\n'`],
    ['HTTP', `curl -N 'http://${http}/v1/topics/demo.earthquakes/records?follow=true&format=json'`],
    ['command line', `${command} consume ${TOPIC} --from earliest --follow${address}`],
  ];
  const body = lines
    .map(([what, line]) => `  ${styleText('dim', `# ${what}`)}\n  ${styleText('bold', line)}\n`)
    .join('');
  return `\nMillrace runs: Kafka on ${kafka}, HTTP on ${http}. Try, in another terminal:\n\n${body}\nIn a browser: http://${http} has every HTTP operation to try.\n\nCtrl-C stops it.\n\n`;
}

/** How the user can start this program again: relative where that is short. */
function commandLine(): string {
  const script = process.argv[1] ?? 'millrace';
  const bin = path.join(path.dirname(script), 'millrace');
  const relative = path.relative(process.cwd(), bin);
  return relative.startsWith('..') ? bin : relative;
}

async function createTopic(http: string): Promise<void> {
  const client = new ApiClient(http);
  try {
    // The feed's records are of the days when it was taken: by their age they would go at once.
    await client.json('POST', '/v1/topics', { body: { name: TOPIC, config: { 'retention.ms': -1 } } });
  } catch (error) {
    if (!(error instanceof MillraceError && error.code === 'BROKER_TOPIC_EXISTS')) throw error;
  } finally {
    client.close();
  }
}

async function replayFeed(http: string, durationMs: number, signal: AbortSignal): Promise<void> {
  const client = new ApiClient(http);
  try {
    const events = parseEvents(await readFile(FEED, 'utf8'));
    const writer = new RecordWriter(client, TOPIC, { ack: 'durable', partition: undefined });
    const present = await recordCount(client);
    const missing = events.slice(present);
    if (missing.length === 0) {
      await printLine(`${TOPIC} holds all ${plural(events.length, 'earthquake')} from an earlier run.`);
      return;
    }
    await printLine(`replaying ${plural(missing.length, 'earthquake')} into ${TOPIC}, for ${durationMs / 1000} s...`);
    await send(missing, writer, durationMs, signal);
    await printLine(`replayed ${plural(missing.length, 'earthquake')}; the broker keeps running.`);
  } finally {
    client.close();
  }
}

async function send(
  events: readonly ReplayEvent[],
  writer: RecordWriter,
  durationMs: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  const progress = new Progress('earthquakes', events.length, process.stdout);
  try {
    for (const tick of planReplay(events, durationMs)) {
      await sleep(Math.max(0, startedAt + tick.atMs - performance.now()), undefined, { signal });
      for (const event of tick.events) await writer.write(JSON.stringify({ key: event.key, valueText: event.line }));
      await writer.flush();
      progress.update(writer.count, shorten(tick.events.at(-1)));
    }
  } finally {
    progress.end();
  }
}

/** `M 5.3 50km NNW of Sangiang, Indonesia`. */
function shorten(event: ReplayEvent | undefined): string {
  if (event === undefined) return '';
  const { mag, place } = JSON.parse(event.line) as { mag?: number; place?: string };
  return `M ${mag ?? '?'} ${place ?? ''}`;
}

/** Records that earlier runs wrote. */
async function recordCount(client: ApiClient): Promise<number> {
  const topic = (await client.json('GET', topicPath(TOPIC))) as TopicDetail;
  return topic.partitions.reduce((sum, partition) => sum + partition.highWatermark, 0);
}
