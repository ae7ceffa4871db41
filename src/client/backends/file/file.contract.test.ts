/** Proves that file:// keeps the contract of back ends, as far as a `.ss` file can. */
import path from 'node:path';
import { clientContract } from '../../../../test/kit/client-contract.ts';
import { TempDirectory } from '../../../../test/kit/temp-directory.ts';
import { connect, string } from '../../../sdk/index.ts';

const NOT_KEPT = 'the format of SeaStreamer has no place for it';

clientContract('file://', {
  async open() {
    const directory = new TempDirectory();
    let shards = 1;
    const file = path.join(directory.path, 'contract.ss');
    const uri = (topics = ''): string => `file://${file}/${topics}?shards=${shards}&beacon-interval=1024`;
    let topics = 0;
    {
      await using client = await connect(uri('seed'));
      await using producer = await client.producer({ value: string() });
      await producer.send({ value: 'the file is there' });
    }
    return {
      connect: async (named = []) => await connect(uri(named.join(','))),
      async topic(partitions = 1) {
        shards = partitions;
        return `topic-${topics++}`;
      },
      close: async () => directory[Symbol.dispose](),
    };
  },
  skip: {
    'keys and headers survive, and names of headers may repeat': NOT_KEPT,
    'tombstones survive': NOT_KEPT,
    'equal keys share a partition, and explicit partitions hold': `keys: ${NOT_KEPT}`,
    'topics are created, listed, described and deleted': 'streams come with their first message and stay',
  },
});
