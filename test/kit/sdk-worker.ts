/**
 * A consumer in a process of its own, to be killed: writes each value to a file as soon as it is processed, one a line.
 * It waits for a server that is away when it starts; once it reads, the SDK does that by itself.
 *
 *   node test/kit/sdk-worker.ts URI TOPIC GROUP resumable|load-balanced FILE
 */
import { appendFileSync } from 'node:fs';
import { type Consumer, connect, MillraceError, string } from '../../src/sdk/index.ts';

const [uri = '', topic = '', group = '', mode = '', file = ''] = process.argv.slice(2);

async function open(): Promise<Consumer<string>> {
  const client = await connect(uri);
  const common = { topics: topic, group, value: string(), commit: { every: 5 } } as const;
  return await client.consumer(
    mode === 'resumable' ? { ...common, mode: 'resumable' } : { ...common, mode: 'load-balanced' },
  );
}

async function persist(): Promise<Consumer<string>> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof MillraceError) || error.kind !== 'retry') throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

for await (const { value } of await persist()) appendFileSync(file, `${value}\n`);
