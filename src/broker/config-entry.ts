/** One setting as DescribeConfigs, the HTTP API and the CLI show it. Names are Kafka's. */

export type ConfigType = 'boolean' | 'string' | 'int' | 'long' | 'double' | 'list';

export type ConfigSource = 'topic' | 'broker' | 'default';

/** One place that a value may come from. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string;
  readonly source: ConfigSource;
}

export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly isDefault: boolean;
  readonly source: ConfigSource;
  readonly readOnly: boolean;
  readonly sensitive: boolean;
  readonly type: ConfigType;
  readonly documentation: string;
  /** Places that the value may come from, the one that holds first. */
  readonly synonyms: readonly ConfigSynonym[];
}
