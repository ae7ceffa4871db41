/** Proves that @platformatic/kafka 2.x works with the new group protocol. It sends no patterns and no instance ids there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer, stringDeserializers } from '@platformatic/kafka';
import { consumerProtocol } from './consumer-protocol.ts';

/** On a busy machine its close was seen to wait for ever, its sockets long closed; what it should do is asserted elsewhere. */
const CLOSE_MS = 10_000;

async function atMost(closing: Promise<unknown>): Promise<void> {
  const waiting = new AbortController();
  await Promise.race([closing, sleep(CLOSE_MS, undefined, { signal: waiting.signal })]);
  waiting.abort();
}

consumerProtocol({
  name: '@platformatic/kafka 2.x',
  can: { patterns: false, staticMembers: false, growingTopics: false },
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
      await atMost(stream.close());
      await atMost(consumer.close());
    };
    return { close: () => (closed ??= close()) };
  },
});
