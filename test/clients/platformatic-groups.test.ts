/** Proves that @platformatic/kafka 2.x works with the new group protocol. It sends no patterns and no instance ids there. */
import { Consumer, stringDeserializers } from '@platformatic/kafka';
import { consumerProtocol } from './consumer-protocol.ts';

consumerProtocol({
  name: '@platformatic/kafka 2.x',
  can: { patterns: false, staticMembers: false },
  async join({ address, group, name, topics }, received) {
    const consumer = new Consumer({
      groupId: group,
      clientId: name,
      bootstrapBrokers: [address],
      deserializers: stringDeserializers,
      groupProtocol: 'consumer',
      groupRemoteAssignor: 'uniform',
      metadataMaxAge: 300,
    });
    const stream = await consumer.consume({
      topics: [...topics],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: false,
      maxWaitTime: 100,
    });
    stream.on('data', (message) => {
      received(`${message.topic}/${message.partition}/${message.offset}`);
      // A commit that a rebalance overtakes is refused; the record comes again.
      Promise.resolve(message.commit()).catch(() => undefined);
    });
    stream.on('error', () => undefined);
    let closed: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      await stream.close();
      await consumer.close();
    };
    return { close: () => (closed ??= close()) };
  },
});
