/**
 * Settings of Kafka's brokers that cannot be changed here, with the value that is true: tools ask for them to decide what
 * a broker does. Those that are the default of a topic setting come from that setting's row.
 */
import { PRODUCER_EXPIRATION_MS } from '../store/producer-table.ts';
import type { ConfigType } from './config-entry.ts';
import { GROUP_DEFAULTS } from './groups/api.ts';
import { TRANSACTION_DEFAULTS } from './transactions/api.ts';

export type FactRow = readonly [name: string, type: ConfigType, value: string, documentation: string];

export const BROKER_FACTS: readonly FactRow[] = [
  ['alter.config.policy.class.name', 'string', '', 'No policy of yours judges changes of settings.'],
  ['authorizer.class.name', 'string', '', 'There are no access rules: whoever reaches a listener may do everything.'],
  ['auto.leader.rebalance.enable', 'boolean', 'false', 'One broker leads every partition.'],
  ['broker.rack', 'string', '', 'One broker is in no rack.'],
  ['controlled.shutdown.enable', 'boolean', 'true', 'A stop lets requests in flight finish and syncs what is staged.'],
  ['create.topic.policy.class.name', 'string', '', 'No policy of yours judges new topics.'],
  ['delete.topic.enable', 'boolean', 'true', 'Topics can be deleted.'],
  ['group.coordinator.rebalance.protocols', 'list', 'classic', 'Rebalance protocols of consumer groups.'],
  ['inter.broker.listener.name', 'string', '', 'There are no other brokers to talk to.'],
  ['log.cleaner.enable', 'boolean', 'true', 'What is not readable any more is cleaned up.'],
  ['max.request.partition.size.limit', 'int', '2000', 'Partitions in one answer to DescribeTopicPartitions.'],
  ['num.replica.fetchers', 'int', '0', 'There are no replicas to fetch.'],
  [
    'offset.metadata.max.bytes',
    'int',
    String(GROUP_DEFAULTS.offsetMetadataMaxBytes),
    'Longest text beside a committed offset.',
  ],
  ['offsets.topic.replication.factor', 'int', '1', 'Offsets are in the journal; there is no topic of them.'],
  ['process.roles', 'list', 'broker,controller', 'One process is both.'],
  [
    'producer.id.expiration.ms',
    'int',
    String(PRODUCER_EXPIRATION_MS),
    'How long an idempotent producer is remembered.',
  ],
  ['remote.log.storage.system.enable', 'boolean', 'false', 'Records stay on the local disk.'],
  ['sasl.enabled.mechanisms', 'list', '', 'There is no authentication.'],
  ['transaction.max.timeout.ms', 'int', String(TRANSACTION_DEFAULTS.transactionMaxTimeoutMs), 'Longest transaction.'],
  [
    'transaction.state.log.replication.factor',
    'int',
    '1',
    'Transactions are in the journal; there is no topic of them.',
  ],
  [
    'transactional.id.expiration.ms',
    'int',
    String(TRANSACTION_DEFAULTS.transactionalIdExpirationMs),
    'How long a transactional id that nobody uses is remembered.',
  ],
];
