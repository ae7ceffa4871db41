/** Proves that kafka:// keeps the contract of back ends, against a real Millrace broker in a process of its own. */
import { after, before } from 'node:test';
import { clientContract } from '../../../../test/kit/client-contract.ts';
import { MillraceProcess } from '../../../../test/kit/millrace-process.ts';
import { connect } from '../../../sdk/index.ts';

let broker: MillraceProcess;
let topics = 0;

before(async () => {
  broker = await MillraceProcess.start({ settings: ['group.initial.rebalance.delay.ms=0'] });
});
after(async () => {
  await broker[Symbol.asyncDispose]();
});

clientContract('kafka://', {
  async open() {
    const uri = `kafka://${broker.kafka}`;
    return {
      connect: async (named = []) => await connect(`${uri}/${named.join(',')}?heartbeat-ms=100`),
      async topic(partitions = 1) {
        await using client = await connect(uri);
        const topic = `contract.topic-${topics++}`;
        await client.admin.createTopic(topic, { partitions });
        return topic;
      },
      close: async () => undefined,
    };
  },
});
