/**
 * Memory of a broker under steady work with a stalled consumer, consumers that read from the start, tailing consumers.
 *
 *   node test/soak/memory.ts --minutes 10
 */
import { parseArgs } from 'node:util';
import { runMemorySoak } from './memory-soak.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const result = await runMemorySoak(Number(values.minutes) * 60_000, (line) => console.log(line));
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
console.log(
  [
    `peak ${megabytes(result.peakBytes)} MB resident; over the second half ${megabytes(result.slopeBytesPerMinute)} MB a minute`,
    `${megabytes(result.producedBytes)} MB produced, ${megabytes(result.rereadBytes)} MB read from the start, ${result.tailedRecords} records tailed`,
  ].join('\n'),
);
