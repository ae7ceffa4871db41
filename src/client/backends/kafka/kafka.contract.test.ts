/**
 * Proves that kafka:// keeps the contract of back ends, against a real Millrace broker in a process of its own; or against
 * another broker of the Kafka protocol, where MILLRACE_TEST_KAFKA says HOST:PORT (docs/sdk.md, Other brokers).
 */
import { after, before } from 'node:test';
import { clientContract } from '../../../../test/kit/client-contract.ts';
import { MillraceProcess } from '../../../../test/kit/millrace-process.ts';
import { connect } from '../../../sdk/index.ts';

const OTHER_BROKER = process.env['MILLRACE_TEST_KAFKA'];
/** Topics of another broker outlive the test. */
const RUN = OTHER_BROKER === undefined ? '' : `-${Date.now().toString(36)}`;
let broker: MillraceProcess | undefined;
let topics = 0;

before(async () => {
  if (OTHER_BROKER !== undefined) return;
  broker = await MillraceProcess.start({ settings: ['group.initial.rebalance.delay.ms=0'] });
});
after(async () => {
  await broker?.[Symbol.asyncDispose]();
});

clientContract('kafka://', {
  async open() {
    const uri = `kafka://${OTHER_BROKER ?? broker?.kafka}`;
    return {
      connect: async (named = []) => await connect(`${uri}/${named.join(',')}?heartbeat-ms=100`),
      async topic(partitions = 1) {
        await using client = await connect(uri);
        const topic = `contract.topic${RUN}-${topics++}`;
        await client.admin.createTopic(topic, { partitions });
        return topic;
      },
      close: async () => undefined,
    };
  },
});
