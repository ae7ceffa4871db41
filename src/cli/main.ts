/**
 * The command line, `millrace <noun> <verb>`. Only the module of the command that was asked for is imported, so that
 * `millrace --version` and shell loops over `millrace produce` start quickly.
 */
import { Command } from 'commander';
import { packageVersion } from '../server/package-version.ts';
import { EXIT_OK, EXIT_USAGE, reportFailure } from './failure.ts';

interface CommandModule {
  register(program: Command): void;
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', summary: 'run a broker', load: () => import('./serve.ts') },
  {
    name: 'demo',
    summary: 'run a broker on defaults and replay real earthquakes into it',
    load: () => import('./demo.ts'),
  },
  { name: 'topics', summary: 'create, list, describe, configure and delete topics', load: () => import('./topics.ts') },
  {
    name: 'groups',
    summary: 'list, describe, reset and delete consumer groups',
    load: () => import('./groups.ts'),
  },
  {
    name: 'transactions',
    summary: 'list, describe and abort transactions',
    load: () => import('./transactions.ts'),
  },
  { name: 'clients', summary: 'list who is connected', load: () => import('./clients.ts') },
  { name: 'produce', summary: 'write records from stdin or files', load: () => import('./produce.ts') },
  { name: 'commit', summary: 'write records to several topics in one commit', load: () => import('./commit.ts') },
  { name: 'consume', summary: 'read records', load: () => import('./consume.ts') },
  { name: 'subscribe', summary: 'read all topics that match globs', load: () => import('./subscribe.ts') },
  { name: 'import', summary: 'import topics from a log directory of Kafka', load: () => import('./import.ts') },
  { name: 'lineage', summary: 'show what caused a record, and what it caused', load: () => import('./lineage.ts') },
  { name: 'push', summary: 'deliver records to HTTP endpoints', load: () => import('./push.ts') },
  { name: 'relay', summary: 'copy records from one system to another', load: () => import('./relay.ts') },
  { name: 'clock', summary: 'write a record every so often', load: () => import('./clock.ts') },
  { name: 'decode', summary: 'show, check and repair a .ss file of SeaStreamer', load: () => import('./decode.ts') },
  { name: 'sink', summary: 'write records to NDJSON, SQLite or stdout', load: () => import('./sink.ts') },
  { name: 'dump', summary: 'print what a topic of any system holds', load: () => import('./dump.ts') },
  { name: 'trim', summary: 'delete the oldest records of a Redis stream or a topic', load: () => import('./trim.ts') },
  { name: 'bench', summary: 'measure a broker under load', load: () => import('./bench.ts') },
  { name: 'backup', summary: 'back up everything a running broker has', load: () => import('./backup.ts') },
  { name: 'restore', summary: 'restore a backup: all of it, or one topic', load: () => import('./restore.ts') },
  { name: 'keys', summary: 'keys of encryption at rest', load: () => import('./keys.ts') },
  { name: 'verify', summary: 'check every byte of a data directory', load: () => import('./verify.ts') },
  { name: 'chunk', summary: 'look into chunk files', load: () => import('./chunk.ts') },
  { name: 'journal', summary: 'look into journal files and check them', load: () => import('./journal.ts') },
];

const EXAMPLES = `
Examples:
  $ millrace serve --data ./data
  $ echo 'hello' | millrace produce demo/greetings
  $ millrace consume demo/greetings --from earliest --follow

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  endQuietlyWhenReaderLeaves();
  const program = createProgram();
  // Taken out here, because commander would accept it before the command's name alone.
  const debug = args.includes('--debug');
  const rest = args.filter((arg) => arg !== '--debug');
  try {
    await registerCommands(program, rest);
    if (rest.length === 0) program.help({ error: true });
    await program.parseAsync(rest, { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    const code = reportFailure(error, debug, (text) => process.stderr.write(text));
    return rest.length === 0 ? EXIT_USAGE : code;
  }
}

function createProgram(): Command {
  return new Command('millrace')
    .description('Event streaming: a durable, partitioned log for Kafka clients and HTTP.')
    .version(packageVersion(), '-V, --version')
    .option('--debug', 'show stacks of failures')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError(true)
    .showHelpAfterError('(add --help for usage and an example)')
    .exitOverride();
}

/** Commands that were not asked for are there by name alone, for the list in --help and for suggestions. */
async function registerCommands(program: Command, args: readonly string[]): Promise<void> {
  const asked = args.find((arg) => !arg.startsWith('-'));
  const wanted = asked === 'help' ? args[args.indexOf(asked) + 1] : asked;
  for (const entry of COMMANDS) {
    if (entry.name === wanted) (await entry.load()).register(program);
    else program.command(entry.name).description(entry.summary);
  }
  inheritSettings(program);
}

/** Commander copies these only to commands made by the parent's own factory before they were set. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}

/** `millrace consume … | head`: the reader has seen enough, which is no failure. */
function endQuietlyWhenReaderLeaves(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_OK);
    throw error;
  });
}
