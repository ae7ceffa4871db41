/** `millrace clients list`. */
import { type Command, Option } from 'commander';
import type { ApiClient } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, print } from './output.ts';

/** The largest page that the broker gives. */
const PAGE_LIMIT = 1000;

/** As docs/protocol.md gives it. */
interface Client {
  readonly id: string;
  readonly transport: string;
  readonly clientId: string | null;
  readonly software: string | null;
  readonly host: string;
  readonly port: number;
  readonly connectedAt: number;
  readonly requests: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

interface ClientPage {
  readonly clients: readonly Client[];
  readonly nextCursor: string | null;
}

interface Options extends ClientOptions {
  readonly transport?: string;
}

const EXAMPLES = `
Examples:
  $ millrace clients list
  $ millrace clients list --transport kafka --json | jq -r .clientId`;

const COLUMNS = ['ID', 'CLIENT ID', 'SOFTWARE', 'ADDRESS', 'SINCE', 'REQUESTS', 'RECEIVED BYTES', 'SENT BYTES'];

export function register(program: Command): void {
  const clients = program.command('clients').description('list who is connected');
  withClientOptions(clients.command('list').description('list connections over Kafka, HTTP and WebSocket'))
    .addOption(new Option('--transport <name>', 'only these').choices(['kafka', 'http', 'websocket']))
    .addHelpText('after', EXAMPLES)
    .action(list);
}

async function list(options: Options): Promise<void> {
  await withClient(options, async (client) => {
    const found: Client[] = [];
    for await (const page of pages(client, options)) found.push(...page);
    if (options.json) await print(found.map((each) => `${JSON.stringify(each)}\n`).join(''));
    else await print(formatTable(COLUMNS, found.map(rowOf)));
  });
}

function rowOf(client: Client): (string | number)[] {
  const { id, clientId, software, host, port, connectedAt, requests, receivedBytes, sentBytes } = client;
  const since = new Date(connectedAt).toISOString();
  const names = [clientId ?? '-', software ?? '-', `${host}:${port}`];
  return [id, ...names, since, requests, receivedBytes, sentBytes];
}

async function* pages(client: ApiClient, { transport }: Options): AsyncGenerator<readonly Client[]> {
  let cursor: string | undefined;
  do {
    const query = { transport, limit: PAGE_LIMIT, cursor };
    const page = (await client.json('GET', '/v1/clients', { query })) as ClientPage;
    yield page.clients;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
