/**
 * Proves of any interleaving of clients that heartbeat, revoke late or never, lose answers, come and go, of topics that come
 * and go, of crashes that lose what was not durable, and of time: no partition may be consumed by two members at once, a
 * told epoch never goes back, nobody is given what it did not ask for, and once everybody is quiet the group settles with
 * every partition assigned.
 *
 * A client here is one that follows the protocol: it owns what it was last told, gives up before it says so, and stops
 * consuming when it is told that it is unknown or fenced. That clients whose session ended stop by their own clock cannot
 * be shown here.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { GroupWorld, topicIdOf } from '../../../../test/kit/group-transcript.ts';
import * as fc from '../../../../test/kit/properties.ts';
import type { ConsumerHeartbeatAnswer, ConsumerHeartbeatRequest } from './api.ts';
import { decideHeartbeat, isSteady } from './decide-heartbeat.ts';
import { filterPartitions, hasPartition, isSubset, NO_PARTITIONS, type PartitionSet, unite } from './partition-set.ts';

const TOPICS = ['t', 'u', 'v'];

/** Of all runs. */
let steadyBeats = 0;

type Step =
  | { readonly kind: 'beat'; readonly client: number; readonly revokes: boolean; readonly lost: boolean }
  | { readonly kind: 'subscribe'; readonly client: number; readonly topics: readonly string[] }
  | { readonly kind: 'leave' | 'pause'; readonly client: number }
  | { readonly kind: 'topic'; readonly name: string; readonly count: number }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'crash' | 'restart' | 'flush' | 'manual' };

/** One process of an application. */
class Client {
  readonly index: number;
  readonly instanceId: string | null;
  incarnation = 0;
  epoch = 0;
  /** What it consumes. */
  owned: PartitionSet = NO_PARTITIONS;
  /** What it was told to have. */
  told: PartitionSet = NO_PARTITIONS;
  /** What it last said that it owns: said again only when it has changed. */
  said: PartitionSet | undefined;
  topics: readonly string[] = ['t'];
  joined = false;
  /** The next heartbeat says everything: the answer to the last was lost, or it has not joined. */
  unsure = true;
  subscriptionChanged = false;

  constructor(index: number) {
    this.index = index;
    this.instanceId = index % 3 === 2 ? `instance-${index}` : null;
  }

  get memberId(): string {
    return `m${this.index}-${this.incarnation}`;
  }

  stop(): void {
    this.joined = false;
    this.epoch = 0;
    this.owned = NO_PARTITIONS;
    this.told = NO_PARTITIONS;
    this.said = undefined;
    this.unsure = true;
  }
}

class Simulation {
  readonly world = new GroupWorld({ consumerSessionTimeoutMs: 10_000 });
  readonly clients = Array.from({ length: 5 }, (_, index) => new Client(index));
  readonly #highest = new Map<string, number>();

  constructor() {
    this.world.topics.set('t', 5);
    this.world.topics.set('u', 3);
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'beat':
        await this.beat(this.#client(step.client), step.revokes, step.lost);
        break;
      case 'subscribe': {
        const client = this.#client(step.client);
        client.topics = step.topics.length === 0 ? ['v'] : step.topics;
        client.subscriptionChanged = true;
        break;
      }
      case 'leave':
      case 'pause':
        await this.#leave(this.#client(step.client), step.kind === 'pause');
        break;
      case 'topic':
        this.world.topics.set(step.name, step.count);
        break;
      case 'time':
        this.world.clock.advance(step.ms);
        break;
      case 'flush':
        this.world.journal.flush();
        break;
      case 'manual':
        this.world.journal.mode = 'manual';
        break;
      case 'crash':
        // Whether unsynced entries survive is chance; answers that wait for them never come.
        this.world.crash(step.kind.length % 2);
        break;
      case 'restart':
        this.world.journal.mode = 'auto';
        await this.world.restart();
        break;
      default:
        step satisfies never;
    }
    await turns();
    this.#expel();
    this.check();
  }

  async beat(client: Client, revokes: boolean, lost: boolean): Promise<void> {
    const kept = filterPartitions(client.owned, (id, partition) => hasPartition(client.told, id, partition));
    // Revoking takes the application a while; what it gained it consumes at once.
    client.owned = revokes ? client.told : unite(client.owned, client.told);
    const says = revokes ? client.told : client.owned;
    assert.ok(isSubset(kept, says));
    const isJoin = !client.joined;
    const everything = isJoin || client.unsure || client.subscriptionChanged;
    const request: ConsumerHeartbeatRequest = {
      groupId: 'g',
      memberId: client.memberId,
      epoch: isJoin ? 0 : client.epoch,
      instanceId: client.instanceId,
      rackId: null,
      clientId: 'client',
      clientHost: 'host',
      rebalanceTimeoutMs: everything ? 5_000 : -1,
      topics: everything ? client.topics : null,
      regex: null,
      assignor: null,
      owned: isJoin ? NO_PARTITIONS : !everything && client.said === says ? null : says,
      requireMemberId: true,
    };
    client.said = says;
    this.#checkSteady(request);
    const { memberId } = client;
    let answered = false;
    const told = (answer: ConsumerHeartbeatAnswer): void => {
      if (client.memberId !== memberId || lost) return;
      answered = true;
      this.#told(client, answer);
    };
    void Promise.resolve(this.world.coordinator.consumerHeartbeat(request)).then(told);
    await turns();
    if (!answered && this.world.journal.mode === 'manual') {
      this.world.journal.flush();
      await turns();
    }
    if (!answered) client.unsure = true;
  }

  /** What is answered without a look at the rest of the group is what the look would have come to. */
  #checkSteady(request: ConsumerHeartbeatRequest): void {
    const group = this.#group;
    if (group === undefined || !isSteady(group, request)) return;
    steadyBeats += 1;
    const { answer, change } = decideHeartbeat(group, request, {
      topics: { find: () => assert.fail('looks for topics'), matches: () => assert.fail('looks for topics') },
      topicsChanged: false,
      now: 1,
      maxSize: 100,
      maxRebalanceTimeoutMs: 60_000,
      heartbeatIntervalMs: 5_000,
      waitingIntervalMs: 500,
    });
    const { memberId, epoch } = request;
    assert.equal(change, undefined);
    assert.deepEqual(answer, { error: undefined, memberId, epoch, intervalMs: 5_000, assigned: undefined });
  }

  #told(client: Client, answer: ConsumerHeartbeatAnswer): void {
    if (answer.error === 'BROKER_MEMBER_UNKNOWN' || answer.error === 'BROKER_MEMBER_EPOCH_FENCED') return client.stop();
    if (answer.error !== undefined) return;
    // A later answer overtook it on the way: a connection would not let it.
    if (client.joined && answer.epoch < client.epoch) return;
    client.joined = true;
    client.epoch = answer.epoch;
    client.unsure = false;
    client.subscriptionChanged = false;
    assert.ok(answer.epoch >= (this.#highest.get(client.memberId) ?? 0), 'an epoch went back');
    this.#highest.set(client.memberId, answer.epoch);
    if (answer.assigned === undefined) return;
    client.told = answer.assigned;
    client.owned = unite(client.owned, client.told);
  }

  async #leave(client: Client, pauses: boolean): Promise<void> {
    if (!client.joined) return;
    const epoch = pauses && client.instanceId !== null ? -2 : -1;
    const nothing = { rackId: null, rebalanceTimeoutMs: -1, topics: null, regex: null, assignor: null, owned: null };
    const { memberId, instanceId } = client;
    // It stops consuming before it says so.
    client.stop();
    const who = { groupId: 'g', memberId, instanceId, clientId: 'client', clientHost: 'host', requireMemberId: true };
    void this.world.coordinator.consumerHeartbeat({ ...who, epoch, ...nothing });
    client.incarnation += 1;
    this.world.journal.flush();
    await turns();
  }

  /** Who the coordinator does not know any more has stopped by its own clock. */
  #expel(): void {
    for (const client of this.clients) {
      if (client.joined && this.#group?.member(client.memberId) === undefined) client.stop();
    }
  }

  get #group() {
    return this.world.state.get('g')?.consumer;
  }

  #client(index: number): Client {
    return this.clients[index % this.clients.length] as Client;
  }

  check(): void {
    const owners = new Map<string, string>();
    for (const client of this.clients) {
      for (const [topicId, partitions] of client.owned) {
        for (const partition of partitions) {
          const key = `${topicId}/${partition}`;
          assert.equal(owners.get(key), undefined, `${key} is consumed by ${owners.get(key)} and ${client.memberId}`);
          owners.set(key, client.memberId);
        }
      }
    }
  }

  /** Everybody heartbeats and revokes; then all is assigned and nothing moves. */
  async settle(): Promise<void> {
    this.world.journal.mode = 'auto';
    this.world.journal.flush();
    for (let round = 0; round < 24; round++) {
      for (const client of this.clients.slice(0, 3)) await this.beat(client, true, false);
      this.world.clock.advance(1_000);
      await turns();
      this.#expel();
      this.check();
    }
    const group = this.#group;
    assert.ok(group !== undefined);
    assert.equal(group.phase, 'stable');
    for (const name of TOPICS) {
      const count = this.world.topics.find(name)?.partitionCount ?? 0;
      const wanted = this.clients.slice(0, 3).some((client) => client.topics.includes(name));
      for (let partition = 0; partition < count; partition++) {
        const owner: string | undefined = group.owner(topicIdOf(name), partition);
        assert.equal(owner !== undefined, wanted, `${name}/${partition}`);
      }
    }
    for (const client of this.clients.slice(0, 3)) {
      assert.ok([...client.told.keys()].every((id) => client.topics.some((name) => topicIdOf(name) === id)));
    }
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

const client = fc.nat({ max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('beat' as const),
      client,
      revokes: fc.boolean(),
      lost: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), client, topics: fc.subarray(TOPICS) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('leave' as const, 'pause' as const), client }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('topic' as const),
      name: fc.constantFrom(...TOPICS),
      count: fc.nat({ max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 6_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>({ kind: 'crash' }, { kind: 'restart' }, { kind: 'flush' }, { kind: 'manual' }),
  },
);

it('no two members consume a partition, and the group settles', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const simulation = new Simulation();
      for (const each of steps) await simulation.run(each);
      await simulation.settle();
    }),
    { numRuns: 150 },
  );
  assert.ok(steadyBeats > 0, 'no heartbeat was steady');
});
