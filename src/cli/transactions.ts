/** `millrace transactions …`: one file per verb. */
import type { Command } from 'commander';
import { registerAbort } from './transactions-abort.ts';
import { registerDescribe } from './transactions-describe.ts';
import { registerList } from './transactions-list.ts';

export function register(program: Command): void {
  const transactions = program.command('transactions').description('list, describe and abort transactions');
  registerList(transactions);
  registerDescribe(transactions);
  registerAbort(transactions);
}
