/** `millrace journal …`: one file per verb. Both read files directly, need no broker and change nothing. */
import type { Command } from 'commander';
import { registerDump } from './journal-dump.ts';
import { registerVerify } from './journal-verify.ts';

export function register(program: Command): void {
  const journal = program.command('journal').description('look into journal files and check them');
  registerDump(journal);
  registerVerify(journal);
}
