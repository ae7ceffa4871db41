/** `millrace quotas list`, `set` and `delete`. */
import type { Command } from 'commander';
import { UsageError } from './failure.ts';
import { byteCount, type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, print, printJson, printLine } from './output.ts';

/** As docs/protocol.md gives it. */
interface Quota {
  /** Null: of all clients without a quota of their own. */
  readonly clientId: string | null;
  readonly producerByteRate: number | null;
  readonly consumerByteRate: number | null;
}

interface TargetOptions extends ClientOptions {
  readonly default?: true;
}

interface SetOptions extends TargetOptions {
  readonly produce?: number;
  readonly consume?: number;
}

const SET_EXAMPLES = `
Examples:
  $ millrace quotas set etl --produce 1m --consume 10m
  $ millrace quotas set --default --consume 50m

What is not named has no limit from then on. Clients that ask for more are slowed down, never refused over Kafka; over HTTP
they are asked to come back later (429).`;

const DELETE_EXAMPLES = `
Examples:
  $ millrace quotas delete etl
  $ millrace quotas delete --default`;

const LIST_EXAMPLES = `
Examples:
  $ millrace quotas list
  $ millrace quotas list --json | jq 'select(.producerByteRate != null)'`;

export function register(program: Command): void {
  const quotas = program.command('quotas').description('limit the bytes a second that clients write and read');
  withClientOptions(quotas.command('list').description('list quotas, the default first'))
    .addHelpText('after', LIST_EXAMPLES)
    .action(list);
  withClientOptions(quotas.command('set [client-id]').description('give a client id a quota, in place of what it had'))
    .option('--default', 'the quota of all client ids that have none of their own')
    .option('--produce <bytes>', 'bytes a second that it may write, like 500k or 1m (default: no limit)', byteCount)
    .option('--consume <bytes>', 'bytes a second that it may read (default: no limit)', byteCount)
    .addHelpText('after', SET_EXAMPLES)
    .action(set);
  withClientOptions(quotas.command('delete [client-id]').description('take a quota away'))
    .option('--default', 'the quota of all client ids that have none of their own')
    .addHelpText('after', DELETE_EXAMPLES)
    .action(remove);
}

async function list(options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    const answer = (await client.json('GET', '/v1/quotas')) as { readonly quotas: readonly Quota[] };
    const quotas = answer.quotas.toSorted(defaultFirst);
    if (options.json) await print(quotas.map((quota) => `${JSON.stringify(quota)}\n`).join(''));
    else await print(formatTable(['CLIENT ID', 'PRODUCE BYTES/S', 'CONSUME BYTES/S'], quotas.map(rowOf)));
  });
}

async function set(clientId: string | undefined, options: SetOptions): Promise<void> {
  const { produce, consume } = options;
  const path = pathOf(clientId, options);
  if (produce === undefined && consume === undefined)
    throw new UsageError('A quota limits something: give --produce, --consume or both.');
  const body = { producerByteRate: produce ?? null, consumerByteRate: consume ?? null };
  await withClient(options, async (client) => {
    const quota = (await client.json('PUT', path, { body })) as Quota;
    if (options.json) await printJson(quota);
    else await printLine(`${nameOf(quota)}: produce ${rate(produce)}, consume ${rate(consume)}`);
  });
}

async function remove(clientId: string | undefined, options: TargetOptions): Promise<void> {
  const path = pathOf(clientId, options);
  await withClient(options, async (client) => {
    await client.json('DELETE', path);
    if (options.json) await printJson({ clientId: clientId ?? null, deleted: true });
    else await printLine(`${clientId ?? 'the default'} has no quota`);
  });
}

function pathOf(clientId: string | undefined, { default: isDefault }: TargetOptions): string {
  if ((clientId === undefined) === (isDefault === undefined))
    throw new UsageError('Name a client id, or give --default for all that have no quota of their own.');
  return clientId === undefined ? '/v1/quotas/default' : `/v1/quotas/clients/${encodeURIComponent(clientId)}`;
}

function nameOf({ clientId }: Quota): string {
  return clientId ?? 'the default';
}

function rate(bytes: number | undefined): string {
  return bytes === undefined ? 'without limit' : `${bytes} bytes/s`;
}

function defaultFirst({ clientId: one }: Quota, { clientId: other }: Quota): number {
  if (one === null || other === null) return one === null ? -1 : 1;
  return one < other ? -1 : 1;
}

function rowOf(quota: Quota): (string | number)[] {
  const { clientId, producerByteRate, consumerByteRate } = quota;
  return [clientId ?? '(default)', producerByteRate ?? '-', consumerByteRate ?? '-'];
}
