/** `kafka://` and `millrace://`: any broker of the Kafka protocol, through @platformatic/kafka. */
import type { Admin } from '@platformatic/kafka';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { BackendLoader } from '../../backend.ts';
import { kafkaAdmin } from './admin.ts';
import { fromKafka } from './errors.ts';
import { foreignServer, type Server } from './foreign-server.ts';
import { type KafkaSettings, kafkaSettings, loadKafkaLibrary } from './library.ts';
import { KafkaReader } from './reader.ts';
import { KafkaTransactionalWriter } from './transactional-writer.ts';
import { KafkaWriter } from './writer.ts';

/** As the library has it by itself. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Less than the library takes to give up what closes its connections. */
const LATE_MS = 500;

export const openKafka: BackendLoader = async (context) => {
  const settings = kafkaSettings(context);
  const kafka = await loadKafkaLibrary();
  const admin = new kafka.Admin(settings.base);
  try {
    await reach(admin, settings, context.clock);
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

/** Looks who is there once the answer is late: a broker that is well has answered by then, and is not asked again. */
async function reach(admin: Admin, { base, plainServers }: KafkaSettings, clock: Clock): Promise<void> {
  const answered = Promise.withResolvers<void>();
  const look = async (servers: readonly Server[]): Promise<void> => {
    const found = await foreignServer(servers, clock, base.connectTimeout ?? CONNECT_TIMEOUT_MS);
    if (found !== undefined) answered.reject(new MillraceError('CLIENT_NETWORK', `No Kafka broker: ${found}.`));
  };
  const timer = clock.schedule(LATE_MS, () => {
    if (plainServers !== undefined) look(plainServers).catch(answered.reject);
  });
  admin.metadata({}).then(() => answered.resolve(), answered.reject);
  try {
    await answered.promise;
  } finally {
    timer.cancel();
  }
}
