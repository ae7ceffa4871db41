/** `millrace topics create`. */
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { assignment, type ClientOptions, collect, partitionCount, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';
import type { TopicDetail } from './topic-answers.ts';

interface Options extends ClientOptions {
  readonly partitions?: number;
  readonly config?: readonly string[];
  readonly ifNotExists?: true;
}

const EXAMPLES = `
Examples:
  $ millrace topics create orders
  $ millrace topics create shop/orders shop/returns --partitions 12 --config max.message.bytes=4194304`;

export function registerCreate(topics: Command): void {
  withClientOptions(topics.command('create <name...>').description('create topics; done when they are durable'))
    .option('--partitions <count>', "number of partitions (default: the broker's)", partitionCount)
    .option(
      '--config <name=value>',
      'a setting of the topic, for instance max.message.bytes=4194304; may be repeated',
      collect,
    )
    .option('--if-not-exists', 'leave a topic that exists as it is, without an error')
    .addHelpText('after', EXAMPLES)
    .action(create);
}

async function create(names: readonly string[], options: Options): Promise<void> {
  const config = Object.fromEntries((options.config ?? []).map((text) => assignment('--config', text)));
  await withClient(options, async (client) => {
    for (const name of names) {
      const body = { name, partitions: options.partitions, config };
      try {
        const topic = (await client.json('POST', '/v1/topics', { body })) as TopicDetail;
        if (options.json) await printJson(topic);
        else await printLine(`created ${topic.name} with ${plural(topic.partitionCount, 'partition')}`);
      } catch (error) {
        if (!(options.ifNotExists && error instanceof MillraceError && error.code === 'BROKER_TOPIC_EXISTS'))
          throw error;
        if (!options.json) await printLine(`${name} exists`);
      }
    }
  });
}
