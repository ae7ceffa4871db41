import { tryFoldTopicName } from '../../model/topic-name.ts';

/** The name under which groups know a topic. One out of form names no topic, and stays as it is so that it is refused. */
export function groupTopicName(name: string): string {
  return tryFoldTopicName(name) ?? name;
}
