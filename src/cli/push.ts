/** `millrace push …`: one file per verb that does more than name it. */
import type { Command } from 'commander';
import { registerChanges } from './push-change.ts';
import { registerDescribe } from './push-describe.ts';
import { registerList } from './push-list.ts';
import { registerSet } from './push-set.ts';

export function register(program: Command): void {
  const push = program.command('push').description('deliver records to HTTP endpoints');
  registerSet(push);
  registerList(push);
  registerDescribe(push);
  registerChanges(push);
}
