/**
 * Topic settings of Kafka that tools send as a matter of course and that have nothing to act on here. Two kinds: those
 * that describe how Kafka keeps files or copies take any value that Kafka takes, because no promise depends on them;
 * those that would change what a topic does take only the value that is true here.
 */
import { INT_MAX, integer, LONG_MAX, listOf, long, only, type SettingDefinition, truth } from './setting-forms.ts';

/** Every topic lies in the shared journal; how it is cut into files is a matter of the broker. */
const SHARED_FILES = 'Accepted, without effect: topics share the files of the journal';
const NO_REPLICAS = 'Accepted, without effect: there are no replicas to move';
const THROTTLED = listOf(/^(?:\*|\d{1,10}:\d{1,10})$/, '* or a list of partition:broker');

export const ACCEPTED_SETTINGS = {
  'file.delete.delay.ms': {
    type: 'long',
    defaultValue: () => '60000',
    refuse: long(0),
    broker: 'log.segment.delete.delay.ms',
    documentation: `${SHARED_FILES}, which go when nothing in them is readable any more.`,
  },
  'flush.messages': {
    type: 'long',
    defaultValue: () => '1',
    refuse: long(1),
    broker: 'log.flush.interval.messages',
    documentation: 'Accepted, without effect: acks=all means synced, for every record (millrace.journal.sync).',
  },
  'flush.ms': {
    type: 'long',
    defaultValue: () => LONG_MAX,
    refuse: long(0),
    broker: 'log.flush.interval.ms',
    documentation: 'Accepted, without effect: acks=all means synced, for every record (millrace.journal.sync).',
  },
  'follower.replication.throttled.replicas': {
    type: 'list',
    defaultValue: () => '',
    refuse: THROTTLED,
    documentation: `${NO_REPLICAS}.`,
  },
  'index.interval.bytes': {
    type: 'int',
    defaultValue: () => '4096',
    refuse: integer(0, INT_MAX),
    broker: 'log.index.interval.bytes',
    documentation: `${SHARED_FILES}, and each of their extents is indexed.`,
  },
  'leader.replication.throttled.replicas': {
    type: 'list',
    defaultValue: () => '',
    refuse: THROTTLED,
    documentation: `${NO_REPLICAS}.`,
  },
  'local.retention.bytes': {
    type: 'long',
    defaultValue: () => '-2',
    refuse: only('-2'),
    broker: 'log.local.retention.bytes',
    documentation: 'Size kept on the local disk of a tiered topic; -2 means retention.bytes.',
  },
  'local.retention.ms': {
    type: 'long',
    defaultValue: () => '-2',
    refuse: only('-2'),
    broker: 'log.local.retention.ms',
    documentation: 'Age kept on the local disk of a tiered topic; -2 means retention.ms.',
  },
  'message.downconversion.enable': {
    type: 'boolean',
    defaultValue: () => 'false',
    refuse: truth(),
    broker: 'log.message.downconversion.enable',
    documentation: 'Accepted, without effect: clients older than message format 2 are not served.',
  },
  'message.format.version': {
    type: 'string',
    defaultValue: () => '3.0-IV1',
    refuse: (value) =>
      /^(?:0\.11\.\d{1,2}|[1-9]\d?\.\d{1,2})(?:\.\d{1,3})?(?:-IV\d{1,2})?$/.test(value)
        ? undefined
        : { code: 'BROKER_CONFIG_UNSUPPORTED', expected: '0.11.0 or later: records are kept in message format 2' },
    broker: 'log.message.format.version',
    documentation: 'Accepted, without effect: records are kept in message format 2.',
  },
  'min.insync.replicas': {
    type: 'int',
    defaultValue: () => '1',
    refuse: integer(1, INT_MAX),
    broker: 'min.insync.replicas',
    documentation: 'Accepted, without effect: an acknowledged record is on stable storage, whatever stands here.',
  },
  preallocate: {
    type: 'boolean',
    defaultValue: () => 'false',
    refuse: truth(),
    broker: 'log.preallocate',
    documentation: `${SHARED_FILES}.`,
  },
  'remote.log.copy.disable': {
    type: 'boolean',
    defaultValue: () => 'false',
    refuse: only('false'),
    documentation: 'Whether a tiered topic stops being copied to the object store.',
  },
  'remote.log.delete.on.disable': {
    type: 'boolean',
    defaultValue: () => 'false',
    refuse: only('false'),
    documentation: 'Whether what was tiered is deleted when tiering is switched off.',
  },
  'remote.storage.enable': {
    type: 'boolean',
    defaultValue: () => 'false',
    refuse: only('false'),
    documentation: 'Whether old records move to an object store.',
  },
  'segment.bytes': {
    type: 'int',
    defaultValue: () => '1073741824',
    refuse: integer(14, INT_MAX),
    broker: 'log.segment.bytes',
    documentation: `${SHARED_FILES} (journal.file.bytes).`,
  },
  'segment.index.bytes': {
    type: 'int',
    defaultValue: () => '10485760',
    refuse: integer(4, INT_MAX),
    broker: 'log.index.size.max.bytes',
    documentation: `${SHARED_FILES}.`,
  },
  'segment.jitter.ms': {
    type: 'long',
    defaultValue: () => '0',
    refuse: long(0),
    broker: 'log.roll.jitter.ms',
    documentation: `${SHARED_FILES}.`,
  },
  'segment.ms': {
    type: 'long',
    defaultValue: () => '604800000',
    refuse: long(1),
    broker: 'log.roll.ms',
    documentation: `${SHARED_FILES}.`,
  },
  'unclean.leader.election.enable': {
    type: 'boolean',
    defaultValue: () => 'false',
    refuse: truth(),
    broker: 'unclean.leader.election.enable',
    documentation: 'Accepted, without effect: there is one copy, and it leads.',
  },
} as const satisfies Record<string, SettingDefinition>;
