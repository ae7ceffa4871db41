/**
 * How long a killed broker takes to be ready again, by the journal that no checkpoint covers yet.
 *
 *   node test/soak/restart.ts --mib 1024 --batch-bytes 1000000
 *   node test/soak/restart.ts --mib 256 --batch-bytes 1000        many small commits: the hard case
 *
 * The page cache is warm, as it is after a process died; after a power loss the disk's reading speed comes on top.
 */
import { parseArgs } from 'node:util';
import { encodeBatch } from '../../src/model/batch-builder.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';

const MIB = 1024 * 1024;
const IN_FLIGHT = 64;
const PARTITIONS = 16;

const { values } = parseArgs({
  options: { mib: { type: 'string', default: '1024' }, 'batch-bytes': { type: 'string', default: '1000000' } },
});
const totalBytes = Number(values.mib) * MIB;
const batchBytes = Number(values['batch-bytes']);

await using broker = await MillraceProcess.start({ settings: ['checkpoint.bytes=68719476736'] });
const batch = encodeBatch([{ value: Buffer.alloc(batchBytes, 'restart'), timestamp: Date.now() }]);
const batchCount = Math.ceil(totalBytes / batch.length);
{
  using client = await RawClient.connect(broker.kafka);
  await client.createTopic('restart', PARTITIONS);
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent < batchCount) await client.produceBatch('restart', sent++ % PARTITIONS, batch);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}
const starts: number[] = [];
for (let i = 0; i < 3; i++) {
  await broker.kill9();
  await broker.start();
  starts.push(broker.startMs);
}
const gib = (batchCount * batch.length) / (1024 * MIB);
console.log(
  `${gib.toFixed(2)} GiB in ${batchCount} batches: ready in ${starts.join(', ')} ms, at best ${Math.round(Math.min(...starts) / gib)} ms a GiB`,
);
