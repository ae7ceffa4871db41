/** `millrace groups …`: one file per verb. */
import type { Command } from 'commander';
import { registerDelete } from './groups-delete.ts';
import { registerDescribe } from './groups-describe.ts';
import { registerList } from './groups-list.ts';
import { registerReset } from './groups-reset.ts';

export function register(program: Command): void {
  const groups = program.command('groups').description('list, describe, reset and delete consumer groups');
  registerList(groups);
  registerDescribe(groups);
  registerReset(groups);
  registerDelete(groups);
}
