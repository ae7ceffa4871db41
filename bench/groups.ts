/**
 * What consumer groups cost: 200 groups of 5 members that heartbeat and commit every second, and how long a group of 100
 * members over 1,000 partitions takes to settle, in both protocols. `node bench/groups.ts [--seconds N] [--warm SECONDS] [--only load|settle] [--protocol classic|consumer] [--heartbeat MS]`.
 *
 * Bounds: the load takes less than 15 % of a core and delays the p99 of durable produces by at most 20 %; the group settles
 * in under 2 s. The broker runs in a process of its own; the members live here, at the level of the wire. Beside the load stands
 * what a bare Node server takes that echoes as many frames at the same pace: at two thousand a second over a thousand sockets
 * each wakes the process, and that costs twenty times what a frame costs in a stream of them. What is measured is the load
 * that lasts: V8 compiles for a minute at this pace, and that is told apart (`the first seconds`). Produces go in turns to the broker with
 * the groups and to one without, so that both meet the same disk and the same busy machine; figures are medians of five rounds.
 */
import { once } from 'node:events';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { makePlan } from '../src/cli/bench/plan.ts';
import { findListener, readUsage } from '../src/cli/bench/proc-stats.ts';
import { runBench } from '../src/cli/bench/run-bench.ts';
import { createTopics, metadata } from '../src/wire/index.ts';
import { GroupMember, type GroupMemberOptions, type GroupProtocol } from '../test/kit/group-member.ts';
import { RawClient } from '../test/kit/kafka-kit.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { Helper, sleep, spread, TemporaryDirectory } from './kit/measure.ts';

const GROUPS = 200;
const MEMBERS_PER_GROUP = 5;
const LARGE_GROUP = 100;
const LARGE_PARTITIONS = 1_000;
const ROUNDS = 5;
/** As clients have it by default. */
const SESSION_MS = 45_000;
const PRODUCE = { mode: 'produce', size: 1_000, batch: 1, connections: 10, inFlight: 1, acks: -1 } as const;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    /** How long members heartbeat and commit before it counts. */
    warm: { type: 'string', default: '60' },
    only: { type: 'string' },
    protocol: { type: 'string' },
    /** Of members while the group settles; those of the new protocol are told theirs by the broker where it is shorter. */
    heartbeat: { type: 'string', default: '3000' },
  },
});
const seconds = Number(values.seconds);
const warmMs = Number(values.warm) * 1000;
const settleHeartbeatMs = Number(values.heartbeat);

/** @returns the topic's id. */
async function topicOf(port: number, name: string, numPartitions: number): Promise<string> {
  const client = await RawClient.connect(port);
  await client.call(createTopics, 5, {
    topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
  });
  const { topics } = await client.call(metadata, 12, { topics: [{ name }] });
  client.destroy();
  return topics[0]?.topicId ?? '';
}

/** Members that commit one offset with each heartbeat, whether there are records or not. */
async function startLoad(port: number, protocol: GroupProtocol): Promise<GroupMember[]> {
  const topicId = await topicOf(port, 'load', MEMBERS_PER_GROUP);
  const members: GroupMember[] = [];
  for (let g = 0; g < GROUPS; g++) {
    for (let m = 0; m < MEMBERS_PER_GROUP; m++) {
      const member = new GroupMember({
        ...{ port, group: `load-${g}`, name: `member-${g}-${m}`, protocol, topic: 'load', topicId },
        ...{
          partitionCount: MEMBERS_PER_GROUP,
          sessionMs: SESSION_MS,
          heartbeatMs: 1_000,
          reads: false,
          commits: true,
        },
      });
      members.push(member);
      void member.run();
    }
    // As deployments start: one after the other, not a thousand members in one moment.
    if (g % 10 === 9) await sleep(100);
  }
  while (members.some((member) => member.owned.size === 0)) await sleep(100);
  return members;
}

async function producedP99(broker: BrokerProcess): Promise<number> {
  const plan = makePlan({ ...PRODUCE, broker: broker.address, topic: 'produced', length: { seconds }, warmup: 1 });
  const report = await runBench(plan);
  return report.produced?.latency?.p99Ms ?? Number.NaN;
}

/** CPU of a process while time passes, of one core. */
async function cpuShare(pid: number): Promise<number> {
  const before = readUsage(pid)?.cpuSeconds ?? Number.NaN;
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const spent = (readUsage(pid)?.cpuSeconds ?? Number.NaN) - before;
  return spent / ((performance.now() - startedAt) / 1000);
}

/** A frame of about the size of a heartbeat; the second of each pair stands for the commit. */
const FRAME = Buffer.alloc(104);
FRAME.writeInt32BE(FRAME.length - 4);

async function measureBare(): Promise<void> {
  using server = new Helper(new URL('./kit/net-server.ts', import.meta.url), ['echo', '65536']);
  const { port } = await server.receive<{ port: number }>();
  const sockets: net.Socket[] = [];
  const timers: NodeJS.Timeout[] = [];
  // A millisecond apart, so that the pace is as even as that of members that know nothing of each other.
  for (let i = 0; i < GROUPS * MEMBERS_PER_GROUP; i++) {
    const socket = net.connect(port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    let answers = 0;
    socket.on('data', () => {
      answers += 1;
      if (answers % 2 === 1) socket.write(FRAME);
    });
    sockets.push(socket);
    await sleep(1);
    timers.push(setInterval(() => socket.write(FRAME), 1_000));
  }
  await sleep(warmMs / 4);
  const cpu = await cpuShare(findListener(port) ?? Number.NaN);
  console.log(`a bare echo server at the same pace: ${(cpu * 100).toFixed(1)} % of a core`);
  for (const timer of timers) clearInterval(timer);
  for (const socket of sockets) socket.destroy();
}

async function measureLoad(protocol: GroupProtocol): Promise<void> {
  using directory = new TemporaryDirectory();
  using otherDirectory = new TemporaryDirectory();
  await using broker = await BrokerProcess.start(directory.path);
  await using other = await BrokerProcess.start(otherDirectory.path);
  const members = await startLoad(broker.address.port, protocol);
  await sleep(2_000);
  const first = await cpuShare(broker.pid);
  await sleep(warmMs);
  const percents: number[] = [];
  const ratios: number[] = [];
  const beside: number[] = [];
  // The first produces of either compile what the others run.
  for (const each of [broker, other]) await producedP99(each);
  for (let round = 0; round < ROUNDS; round++) {
    percents.push(100 * (await cpuShare(broker.pid)));
    const withGroups = await producedP99(broker);
    beside.push(withGroups);
    ratios.push(withGroups / (await producedP99(other)));
  }
  for (const member of members) member.kill();
  const surprises = members.flatMap((member) => member.surprises);
  console.log(
    `${protocol}: ${GROUPS} groups x ${MEMBERS_PER_GROUP} members, a heartbeat and a commit a second each: ` +
      `${spread(percents, 1)} % of a core (the first seconds ${(first * 100).toFixed(1)} %); ` +
      `produce p99 ${spread(beside, 2)} ms, ${spread(ratios, 2)} of that of a broker without groups` +
      (surprises.length === 0 ? '' : `; surprises: ${surprises.slice(0, 3).join(', ')}`),
  );
}

function isSettled(members: readonly GroupMember[]): boolean {
  const owned = members.reduce((sum, member) => sum + member.owned.size, 0);
  return owned === LARGE_PARTITIONS && members.every((member) => member.owned.size > 0);
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

async function measureSettle(protocol: GroupProtocol): Promise<void> {
  using directory = new TemporaryDirectory();
  await using broker = await BrokerProcess.start(directory.path);
  const { port } = broker.address;
  const topicId = await topicOf(port, 'large', LARGE_PARTITIONS);
  const make = (name: string): GroupMember => {
    const options: GroupMemberOptions = {
      ...{ port, group: 'large', name, protocol, topic: 'large', topicId, partitionCount: LARGE_PARTITIONS },
      ...{ sessionMs: SESSION_MS, heartbeatMs: settleHeartbeatMs, reads: false },
    };
    return new GroupMember(options);
  };
  const members = Array.from({ length: LARGE_GROUP }, (_, i) => make(`member-${i}`));
  const settled = async (): Promise<number> => {
    const startedAt = performance.now();
    while (!isSettled(members)) await sleep(5);
    return performance.now() - startedAt;
  };
  for (const member of members) void member.run();
  const fromNothing = await settled();
  await sleep(1_000);
  const late = make('late');
  members.push(late);
  void late.run();
  const joined = await settled();
  members.pop();
  late.leave();
  while (late.owned.size > 0) await sleep(5);
  const left = await settled();
  for (const member of members) member.kill();
  console.log(
    `${protocol}: ${LARGE_GROUP} members over ${LARGE_PARTITIONS} partitions: ${ms(fromNothing)} from nothing; ` +
      `${ms(joined)} after one more joined, ${ms(left)} after it left, with heartbeats every ${settleHeartbeatMs} ms`,
  );
}

if (values.only !== 'settle') await measureBare();
for (const protocol of ['classic', 'consumer'] as const) {
  if (values.protocol !== undefined && values.protocol !== protocol) continue;
  if (values.only !== 'load') await measureSettle(protocol);
  if (values.only !== 'settle') await measureLoad(protocol);
}
process.exit(0);
