/** `kafka://` and `millrace://`: any broker of the Kafka protocol, through @platformatic/kafka. */
import { MillraceError } from '../../../base/errors.ts';
import type { BackendLoader } from '../../backend.ts';
import { kafkaAdmin } from './admin.ts';
import { fromKafka } from './errors.ts';
import { kafkaSettings, loadKafkaLibrary } from './library.ts';
import { KafkaReader } from './reader.ts';
import { KafkaTransactionalWriter } from './transactional-writer.ts';
import { KafkaWriter } from './writer.ts';

export const openKafka: BackendLoader = async (context) => {
  const settings = kafkaSettings(context);
  const kafka = await loadKafkaLibrary();
  const admin = new kafka.Admin(settings.base);
  try {
    await admin.metadata({});
  } catch (error) {
    await admin.close().catch(() => undefined);
    const reached = fromKafka(error, `No broker answers at ${context.uri.nodes.join(', ')}`);
    throw reached.code === 'CLIENT_REFUSED'
      ? reached
      : new MillraceError('CLIENT_NETWORK', reached.message, { cause: error });
  }
  return {
    name: 'kafka',
    features: {
      keys: true,
      headers: true,
      tombstones: true,
      partitions: true,
      seek: true,
      resumable: true,
      loadBalanced: true,
      acknowledgesRecords: false,
      transactions: true,
      conditionalAppends: false,
      offsetsFromZero: true,
    },
    admin: kafkaAdmin(admin),
    openWriter: async (options) => new KafkaWriter(kafka, settings, options),
    openReader: async (options) => {
      const loneGroup = `${context.clientId}-${Math.floor(context.random() * 2 ** 32).toString(16)}`;
      return await KafkaReader.open({ kafka, admin, settings, clock: context.clock, loneGroup }, options);
    },
    openTransactions: async (options) => await KafkaTransactionalWriter.open(kafka, settings, context.clock, options),
    close: async () => {
      await admin.close();
    },
  };
};
