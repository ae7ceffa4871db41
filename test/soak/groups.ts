/**
 * Groups under fire for as long as you say: 20 members over 100 partitions, killed, paused, added at random.
 *
 *   node --expose-gc test/soak/groups.ts --minutes 5 [--protocol classic|consumer] [--seed N]
 */
import { parseArgs } from 'node:util';
import type { GroupProtocol } from '../kit/group-member.ts';
import { runGroupSoak } from './group-soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    protocol: { type: 'string', default: 'classic' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    session: { type: 'string', default: '6000' },
  },
});
console.log(`seed ${values.seed}`);
const result = await runGroupSoak(
  {
    protocol: values.protocol as GroupProtocol,
    ms: Number(values.minutes) * 60_000,
    members: 20,
    partitions: 100,
    sessionMs: Number(values.session),
    settleLimitMs: Number(values.session),
    seed: Number(values.seed),
  },
  (line) => console.log(line),
);
console.log(JSON.stringify(result));
