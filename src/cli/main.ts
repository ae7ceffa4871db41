/**
 * The command line, `millrace <noun> <verb>`. Only the module of the command that was asked for is imported, so that
 * `millrace --version` and shell loops over `millrace produce` start quickly.
 */
import { Command } from 'commander';
import { suggestion } from '../base/nearest-name.ts';
import { packageVersion } from '../server/package-version.ts';
import { COMMANDS } from './commands.ts';
import { EXIT_OK, EXIT_USAGE, reportFailure, UsageError } from './failure.ts';

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
  const given = args.filter((arg) => arg !== '--debug');
  const rest = spelledOut(given);
  try {
    checkHelp(given);
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

/**
 * Commands that were not asked for are there by name alone, for the list in --help and for suggestions; a line that begins
 * with the name of one needs none of the others.
 */
async function registerCommands(program: Command, args: readonly string[]): Promise<void> {
  const wanted = wantedCommand(args);
  const known = COMMANDS.find((entry) => entry.name === wanted);
  const entries = known !== undefined && args[0] === wanted ? [known] : COMMANDS;
  for (const entry of entries) {
    if (entry.name === wanted) (await entry.load()).register(program);
    else program.command(entry.name).description(entry.summary);
  }
  inheritSettings(program);
}

/** Commander shows the list of all commands, as if it had been asked for it. */
function checkHelp(args: readonly string[]): void {
  const [asked, name] = args;
  const names = COMMANDS.map((entry) => entry.name);
  if (asked !== 'help' || name === undefined || name.startsWith('-') || names.includes(name)) return;
  throw new UsageError(
    `There is no command \`${name}\`.${suggestion(name, names) || ' `millrace --help` lists them.'}`,
  );
}

/** `help chunk dump` is about `dump`: commander looks at the first name alone. */
function spelledOut(args: readonly string[]): readonly string[] {
  const [asked, ...names] = args;
  const isAboutVerb = asked === 'help' && names.length > 1 && !names.some((name) => name.startsWith('-'));
  return isAboutVerb ? [...names, '--help'] : args;
}

/** The command that is asked for, or about. */
function wantedCommand(args: readonly string[]): string | undefined {
  const asked = args.find((arg) => !arg.startsWith('-'));
  return asked === 'help' ? args[args.indexOf(asked) + 1] : asked;
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
