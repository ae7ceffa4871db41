/**
 * Proves that requests of many quiet clients are answered side by side, a turn later at most, and that nobody else waits: few
 * clients, those that ask in a row, those that send on, other requests, and a listener that stops.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { KafkaKit, type RawClient } from '../../../test/kit/kafka-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { API_KEYS } from '../../wire/api-keys.ts';
import { heartbeat, listGroups, metadata } from '../../wire/index.ts';
import { type Gathered, Gathering } from './gathering.ts';

const OPTIONS = { timeout: 60_000 } as const;
const { Heartbeat, Metadata, OffsetCommit } = API_KEYS;

class Quiet implements Gathered {
  lastPatientAt = Number.NEGATIVE_INFINITY;
  ran = 0;

  runGathered(): void {
    this.ran += 1;
  }
}

/** `count` requests of as many clients within 200 ms, and a window after them. */
function pass(gathering: Gathering, clock: ManualClock, count: number): void {
  for (let i = 0; i < count; i++) gathering.gather(new Quiet(), Heartbeat);
  clock.advance(200);
  gathering.gather(new Quiet(), Heartbeat);
}

test('it is for many clients that are quiet in between', () => {
  const clock = new ManualClock();
  const gathering = new Gathering(clock);
  const first = new Quiet();
  assert.equal(gathering.gather(first, Heartbeat), false, 'nothing is known yet');
  pass(gathering, clock, 38);
  assert.equal(gathering.gather(new Quiet(), Heartbeat), false, 'fewer than four a turn');
  pass(gathering, clock, 60);
  const members = [new Quiet(), new Quiet(), new Quiet()];
  for (const member of members) assert.equal(gathering.gather(member, OffsetCommit), true);
  assert.equal(gathering.gather(new Quiet(), Metadata), false, 'others are not of the kind');
  clock.advance(19);
  assert.deepEqual(
    members.map(({ ran }) => ran),
    [0, 0, 0],
  );
  clock.advance(1);
  assert.deepEqual(
    members.map(({ ran }) => ran),
    [1, 1, 1],
  );
  assert.equal(
    gathering.gather(members[0] as Quiet, OffsetCommit),
    false,
    'who asks again at once waits for the answer',
  );
  assert.equal(gathering.gather(first, Heartbeat), true, 'who has not for a while does not');
  clock.advance(1_000);
  gathering.gather(new Quiet(), Heartbeat);
  assert.equal(gathering.gather(new Quiet(), Heartbeat), false, 'the many are gone');
});

test('a few at a time, so that others are served in between', async () => {
  const clock = new ManualClock();
  const gathering = new Gathering(clock);
  gathering.gather(new Quiet(), Heartbeat);
  pass(gathering, clock, 60);
  clock.advance(20);
  const members = Array.from({ length: 14 }, () => new Quiet());
  for (const member of members) assert.equal(gathering.gather(member, Heartbeat), true);
  clock.advance(20);
  const ran = (): number => members.reduce((sum, member) => sum + member.ran, 0);
  const seen = [ran()];
  while (ran() < members.length) {
    await setImmediate();
    if (ran() > (seen.at(-1) as number)) seen.push(ran());
  }
  assert.deepEqual(seen, [6, 12, 14]);
});

const BEAT = { groupId: 'g', generationId: 1, memberId: 'm' };

async function busy(kit: KafkaKit, clock: ManualClock): Promise<void> {
  const many = await kit.client();
  await many.call(listGroups, 4, { statesFilter: [] });
  for (let i = 0; i < 60; i++) await many.call(heartbeat, 4, BEAT);
  clock.advance(199);
  await many.call(heartbeat, 4, BEAT);
  clock.advance(1);
  await many.call(heartbeat, 4, BEAT);
}

/** Everything that the listener has received by now was looked at. */
async function settled(other: RawClient): Promise<void> {
  for (let i = 0; i < 3; i++) await other.call(metadata, 12, { topics: [] });
}

test('over connections: a turn later, in order, and at once for whoever sends on', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await KafkaKit.start({ clock });
  const [quiet, pipelining, joined, other] = [
    await kit.client(),
    await kit.client(),
    await kit.client(),
    await kit.client(),
  ];
  await busy(kit, clock);
  quiet.send(quiet.encode(heartbeat, 4, BEAT));
  await settled(other);
  assert.equal(quiet.waitingFrames, 0);
  clock.advance(20);
  assert.equal((await quiet.answer(heartbeat, 4)).errorCode, 25);
  assert.equal((await quiet.call(heartbeat, 4, BEAT)).errorCode, 25, 'at once');

  pipelining.send(pipelining.encode(heartbeat, 4, BEAT));
  await settled(other);
  assert.equal(pipelining.waitingFrames, 0);
  pipelining.send(pipelining.encode(metadata, 12, { topics: [] }));
  assert.equal((await pipelining.answer(heartbeat, 4)).errorCode, 25);
  assert.equal((await pipelining.answer(metadata, 12)).brokers.length, 1);

  joined.send(Buffer.concat([joined.encode(heartbeat, 4, BEAT), joined.encode(metadata, 12, { topics: [] })]));
  assert.equal((await joined.answer(heartbeat, 4)).errorCode, 25);
  assert.equal((await joined.answer(metadata, 12)).brokers.length, 1);
  assert.deepEqual(kit.reasons, []);
});

test('a stop answers what waits, and a client that has gone harms nobody', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await KafkaKit.start({ clock });
  const [gone, quiet, other] = [await kit.client(), await kit.client(), await kit.client()];
  await busy(kit, clock);
  for (const client of [gone, quiet]) client.send(client.encode(heartbeat, 4, BEAT));
  await settled(other);
  gone.destroy();
  assert.equal(quiet.waitingFrames, 0);
  const stopped = kit.listener.stop();
  assert.equal((await quiet.answer(heartbeat, 4)).errorCode, 25);
  await quiet.ended();
  other.destroy();
  clock.advance(60_000);
  await stopped;
});
