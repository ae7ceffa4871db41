/**
 * Proves, for random clients that join, sync, commit, leave, restart and die on a journal that is slow, refuses, and
 * crashes: what was told stays true, and nobody waits for ever.
 *
 * - A generation that was told has one membership, one leader and one protocol, whatever crashes in between, and
 *   generations told never go back.
 * - A member's assignment is what the leader of that generation sent for it, so no two members own the same thing.
 * - A committed offset that was acknowledged is there ever after.
 * - Every parked JoinGroup and SyncGroup is answered within the group's longest rebalance timeout.
 * - When all clients are gone the group is empty, and one timer is left (retention).
 *
 * Clients are honest: they send what the protocol tells them to. Dishonest ones are in the transcripts.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { GroupWorld, subscription } from '../../../test/kit/group-transcript.ts';
import * as fc from '../../../test/kit/properties.ts';
import { MillraceError } from '../../base/errors.ts';
import type { JoinAnswer, Joined, SyncAnswer } from './api.ts';

const REBALANCE_MS = 20_000;
const SESSION_MS = 8_000;
const DELAY_MS = 50;

type Action =
  | 'step'
  | 'round'
  | 'join'
  | 'sync'
  | 'heartbeat'
  | 'leave'
  | 'commit'
  | 'vanish'
  | 'flush'
  | 'slow'
  | 'crash'
  | 'refuse'
  | 'accept'
  | 'fail'
  | 'advance';

interface Command {
  readonly client: number;
  readonly action: Action;
  readonly ms: number;
}

/** One consumer process. A parked request belongs to the incarnation that sent it. */
interface Client {
  readonly slot: string;
  readonly instanceId: string | null;
  memberId: string;
  joined: Joined | undefined;
  isAssigned: boolean;
  parkedSince: number | undefined;
}

/** What all runs together reached, so that the test cannot pass by doing nothing. */
const reached = { generations: 0, assignments: 0, offsets: 0, crashes: 0 };

class Simulation {
  readonly #world = new GroupWorld({ groupInitialRebalanceDelayMs: DELAY_MS });
  readonly #clients: Client[];
  /** What has been told of each generation. */
  readonly #told = new Map<number, { leader: string; protocol: string; members: string | undefined }>();
  #lastGeneration = 0;
  #issued = 0;
  #acknowledged = 0;
  #process = 0;

  constructor(clients: number) {
    this.#clients = Array.from({ length: clients }, (_, i) => fresh(`c${i}`, i % 3 === 2 ? `c${i}` : null));
  }

  async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      this.#act(command);
      await Promise.resolve();
      this.#checkWaiting();
    }
    await this.#end();
  }

  #act({ client: index, action, ms }: Command): void {
    const client = this.#clients[index % this.#clients.length] as Client;
    const { journal, clock } = this.#world;
    switch (action) {
      case 'step':
        return this.#step(client);
      case 'round':
        for (const each of this.#clients) this.#step(each);
        return;
      case 'join':
        return this.#join(client);
      case 'sync':
        return this.#sync(client);
      case 'heartbeat':
        return this.#heartbeat(client);
      case 'leave':
        return this.#leave(client);
      case 'commit':
        return this.#commit(client);
      case 'vanish':
        this.#clients[index % this.#clients.length] = fresh(client.slot, client.instanceId);
        return;
      case 'flush':
        return journal.flush();
      case 'slow':
        journal.mode = journal.mode === 'auto' ? 'manual' : 'auto';
        return;
      case 'crash':
        return this.#crash(ms);
      case 'refuse':
        journal.refusal = new MillraceError('JOURNAL_OVERLOADED', 'refused by the test');
        return;
      case 'accept':
        journal.refusal = undefined;
        return;
      case 'fail':
        return this.#fail();
      case 'advance':
        // A slow journal delays answers without a bound of ours; it is quick before time passes.
        journal.flush();
        if (ms % 2 === 0) journal.refusal = undefined;
        return clock.advance(ms);
      default:
        return action satisfies never;
    }
  }

  /** What a consumer would do next. */
  #step(client: Client): void {
    if (client.joined === undefined) this.#join(client);
    else if (!client.isAssigned) this.#sync(client);
    else this.#heartbeat(client);
  }

  #join(client: Client): void {
    if (client.parkedSince !== undefined) return;
    const { coordinator, clock } = this.#world;
    client.parkedSince = clock.monotonic();
    const process = this.#process;
    const request = {
      groupId: 'g',
      memberId: client.memberId,
      instanceId: client.instanceId,
      // Member ids begin with it, so that an id tells its client.
      clientId: client.slot,
      clientHost: 'h',
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription(['t']) }],
      requireKnownMemberId: true,
      supportsSkipAssignment: true,
    };
    coordinator.join(request, (answer) => {
      // A dead process answers nobody.
      if (process === this.#process) this.#joined(client, answer);
    });
  }

  #joined(client: Client, answer: JoinAnswer): void {
    client.parkedSince = undefined;
    client.memberId = answer.memberId;
    client.joined = undefined;
    client.isAssigned = false;
    if (answer.error === undefined) {
      this.#checkGeneration(answer);
      client.joined = answer;
    } else if (answer.error === 'BROKER_MEMBER_UNKNOWN' || answer.error === 'BROKER_MEMBER_FENCED') {
      client.memberId = '';
    }
  }

  #checkGeneration(answer: Joined): void {
    const { generation, protocol } = answer;
    reached.generations += 1;
    assert(generation >= this.#lastGeneration, `generation ${generation} told after ${this.#lastGeneration}`);
    this.#lastGeneration = generation;
    const leader = slotOf(answer.leaderId);
    const isLeader = answer.memberId === answer.leaderId;
    const members = isLeader
      ? answer.members
          .map(({ memberId }) => slotOf(memberId))
          .sort()
          .join(' ')
      : undefined;
    const before = this.#told.get(generation);
    if (before === undefined) this.#told.set(generation, { leader, protocol, members });
    else {
      assert.equal(leader, before.leader, `leader of generation ${generation}`);
      assert.equal(protocol, before.protocol, `protocol of generation ${generation}`);
      if (members !== undefined && before.members !== undefined) {
        assert.equal(members, before.members, `members of generation ${generation}`);
      }
      before.members ??= members;
    }
  }

  #sync(client: Client): void {
    const { joined } = client;
    if (joined === undefined || client.parkedSince !== undefined) return;
    const { coordinator, clock } = this.#world;
    client.parkedSince = clock.monotonic();
    const { generation, memberId } = joined;
    const assignments = joined.skipAssignment
      ? []
      : joined.members.map((member) => ({
          memberId: member.memberId,
          assignment: Buffer.from(`${generation}:${slotOf(member.memberId)}`),
        }));
    const process = this.#process;
    const who = { groupId: 'g', memberId, instanceId: client.instanceId, generation };
    coordinator.sync({ ...who, protocolType: 'consumer', protocol: joined.protocol, assignments }, (answer) => {
      if (process === this.#process) this.#synced(client, joined, answer);
    });
  }

  #synced(client: Client, joined: Joined, answer: SyncAnswer): void {
    client.parkedSince = undefined;
    if (answer.error === undefined) {
      reached.assignments += 1;
      client.isAssigned = true;
      assert.equal(Buffer.from(answer.assignment).toString(), `${joined.generation}:${client.slot}`);
    } else {
      this.#lost(client, answer.error);
    }
  }

  #heartbeat(client: Client): void {
    if (client.joined === undefined || client.parkedSince !== undefined) return;
    const { generation, memberId } = client.joined;
    const who = { groupId: 'g', memberId, instanceId: client.instanceId, generation };
    const error = this.#world.coordinator.heartbeat(who);
    if (error !== undefined) this.#lost(client, error);
  }

  #lost(client: Client, error: string): void {
    client.joined = undefined;
    if (error === 'BROKER_MEMBER_UNKNOWN' || error === 'BROKER_MEMBER_FENCED') client.memberId = '';
  }

  #leave(client: Client): void {
    if (client.memberId === '' || client.parkedSince !== undefined) return;
    const { memberId, instanceId } = client;
    void this.#world.coordinator.leave({ groupId: 'g', members: [{ memberId, instanceId }] });
    client.memberId = '';
    client.joined = undefined;
  }

  #commit(client: Client): void {
    if (client.joined === undefined) return;
    const { generation, memberId } = client.joined;
    this.#issued += 1;
    const offset = this.#issued;
    const partitions = [{ partition: 0, offset, leaderEpoch: 0, metadata: null }];
    const who = { groupId: 'g', memberId, instanceId: client.instanceId, generation, retentionMs: -1 };
    const process = this.#process;
    const acknowledge = (isStored: boolean): void => {
      if (!isStored || process !== this.#process) return;
      reached.offsets += 1;
      this.#acknowledged = Math.max(this.#acknowledged, offset);
    };
    void this.#world.coordinator
      .commitOffsets({ ...who, topics: [{ topic: 't', partitions }] })
      .then((answer) => acknowledge(answer.topics[0]?.partitions[0]?.error === undefined));
  }

  /** @param chance how much of what was not synced survives. */
  #crash(chance: number): void {
    const { journal } = this.#world;
    this.#process += 1;
    reached.crashes += 1;
    this.#world.crash(chance % (journal.unsyncedEntries + 1));
    // Connections are gone: clients that waited ask again, with the ids they know.
    for (const client of this.#clients) client.parkedSince = undefined;
    this.#checkOffset();
  }

  /** A failed sync: what happened to the waiting is unknown, and the process ends, as the broker's does. */
  #fail(): void {
    this.#world.journal.fail(new MillraceError('JOURNAL_SYNC_FAILED', 'failed by the test'));
    this.#crash(0);
  }

  #checkOffset(): void {
    const offset = this.#world.state.get('g')?.offsets.get('t')?.get(0)?.offset ?? 0;
    assert(offset >= this.#acknowledged, `offset ${offset} is there, ${this.#acknowledged} was acknowledged`);
    assert(offset <= this.#issued);
  }

  #checkWaiting(): void {
    const { journal, clock } = this.#world;
    if (journal.waiting > 0) return;
    for (const { slot, parkedSince } of this.#clients) {
      if (parkedSince === undefined) continue;
      const age = clock.monotonic() - parkedSince;
      assert(age <= REBALANCE_MS + DELAY_MS, `${slot} has waited ${age} ms`);
    }
  }

  /** Everybody stops talking: who waits is answered, who was a member expires. */
  async #end(): Promise<void> {
    const { journal, clock, coordinator } = this.#world;
    journal.mode = 'auto';
    journal.refusal = undefined;
    journal.flush();
    clock.advance(REBALANCE_MS + DELAY_MS);
    await Promise.resolve();
    for (const { slot, parkedSince } of this.#clients) assert.equal(parkedSince, undefined, `${slot} still waits`);
    clock.advance(3 * (REBALANCE_MS + SESSION_MS));
    this.#checkOffset();
    const group = coordinator.describe('g');
    assert(group === undefined || group.phase === 'empty', `the group is ${group?.phase}`);
    assert(clock.pendingTimers <= 1 + this.#process, `${clock.pendingTimers} timers are left`);
    assert.equal(journal.waiting, 0);
  }
}

function fresh(slot: string, instanceId: string | null): Client {
  return { slot, instanceId, memberId: '', joined: undefined, isAssigned: false, parkedSince: undefined };
}

/** Ids are made of the client's or instance's name, which are the same here, and a number. */
function slotOf(memberId: string): string {
  return memberId.slice(0, memberId.lastIndexOf('-'));
}

const weighted: fc.Arbitrary<Action> = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom<Action>('step', 'round') },
  { weight: 12, arbitrary: fc.constantFrom<Action>('join', 'sync', 'heartbeat') },
  { weight: 12, arbitrary: fc.constant<Action>('commit') },
  { weight: 20, arbitrary: fc.constant<Action>('advance') },
  { weight: 3, arbitrary: fc.constantFrom<Action>('leave', 'vanish') },
  { weight: 4, arbitrary: fc.constantFrom<Action>('crash', 'refuse', 'accept', 'fail') },
  { weight: 9, arbitrary: fc.constantFrom<Action>('flush', 'flush', 'slow') },
);
const command = fc.record({
  client: fc.nat(5),
  action: weighted,
  ms: fc.oneof(fc.nat(100), fc.nat(100), fc.nat(5_000), fc.nat(25_000)),
});

it('what groups tell stays true, and nobody waits for ever', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.array(command, { minLength: 20, maxLength: 150, size: 'max' }),
      (clients, commands) => new Simulation(clients).run(commands),
    ),
    { numRuns: 1_500 },
  );
  assert(
    Object.values(reached).every((count) => count > 500),
    JSON.stringify(reached),
  );
});
