/** Proves that memory:// keeps the contract of back ends; with it, that the contract can be kept. */
import { clientContract } from '../../../../test/kit/client-contract.ts';
import { connect } from '../../../sdk/index.ts';

let names = 0;

clientContract('memory://', {
  async open() {
    const uri = `memory://contract-${names++}`;
    let topics = 0;
    return {
      connect: async (named = []) => await connect(`${uri}/${named.join(',')}`),
      async topic(partitions = 1) {
        await using client = await connect(uri);
        const topic = `topic-${topics++}`;
        await client.admin.createTopic(topic, { partitions });
        return topic;
      },
      close: async () => undefined,
    };
  },
});
