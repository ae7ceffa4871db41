/** One setting as DescribeConfigs, the HTTP API and the CLI show it. Names are Kafka's. */

export type ConfigType = 'boolean' | 'string' | 'int' | 'long' | 'double' | 'list';

export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly isDefault: boolean;
  readonly source: 'topic' | 'broker' | 'default';
  readonly readOnly: boolean;
  readonly sensitive: boolean;
  readonly type: ConfigType;
  readonly documentation: string;
}
