/** `millrace topics …`: one file per verb. */
import type { Command } from 'commander';
import { registerAddPartitions } from './topics-add-partitions.ts';
import { registerConfig } from './topics-config.ts';
import { registerCreate } from './topics-create.ts';
import { registerDelete } from './topics-delete.ts';
import { registerDescribe } from './topics-describe.ts';
import { registerList } from './topics-list.ts';
import { registerPurge } from './topics-purge.ts';
import { registerTruncate } from './topics-truncate.ts';

export function register(program: Command): void {
  const topics = program
    .command('topics')
    .description('create, list, describe, configure, grow, truncate, purge and delete topics');
  registerCreate(topics);
  registerList(topics);
  registerDescribe(topics);
  registerConfig(topics);
  registerAddPartitions(topics);
  registerTruncate(topics);
  registerPurge(topics);
  registerDelete(topics);
}
