/** Numbers of DescribeConfigs (KIP-226, KIP-569). On the wire: never renumber. */
import type { ConfigEntry, ConfigType } from '../../broker/config-entry.ts';

const SOURCES = { topic: 1, broker: 4, default: 5 } as const satisfies Record<ConfigEntry['source'], number>;
const TYPES = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const satisfies Record<
  ConfigType,
  number
>;

export function configSource(source: ConfigEntry['source']): number {
  return SOURCES[source];
}

export function configType(type: ConfigType): number {
  return TYPES[type];
}

/** Resource types of the config APIs. */
export const TOPIC_RESOURCE = 2;
export const BROKER_RESOURCE = 4;
