/**
 * What the new group protocol (KIP-848) must do for a client, whoever made it: members share partitions and every record
 * reaches one of them while others come, go and die; offsets go on where they stood; patterns and static members where the
 * client has them.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../src/base/errors.ts';
import type { Broker } from '../../src/broker/broker.ts';
import { HttpListener } from '../../src/listeners/http/listener.ts';
import { KafkaKit } from '../kit/kafka-kit.ts';

export interface MemberOptions {
  readonly address: string;
  readonly group: string;
  readonly name: string;
  /** Topics, or one pattern that begins with `^`. */
  readonly topics: readonly string[];
  readonly instance?: string;
}

/** A consumer that commits each record after it has handed it on. */
export interface GroupMember {
  /** Leaves the group. */
  close(): Promise<void>;
}

export interface ConsumerProtocolClient {
  readonly name: string;
  readonly can: { readonly patterns: boolean; readonly staticMembers: boolean; readonly growingTopics: boolean };
  /** @param received `topic/partition/offset` of each record. */
  join(options: MemberOptions, received: (place: string) => void): Promise<GroupMember>;
}

const GROUP = 'shared';
const DEADLINE_MS = 40_000;
const SETTINGS = { consumerHeartbeatIntervalMs: 200, consumerSessionTimeoutMs: 3_000 };

class Scene implements AsyncDisposable {
  readonly kit: KafkaKit;
  readonly client: ConsumerProtocolClient;
  readonly received = new Map<string, number>();
  readonly #members: GroupMember[] = [];
  #produced = 0;

  static async start(client: ConsumerProtocolClient): Promise<Scene> {
    return new Scene(await KafkaKit.start({ broker: SETTINGS }), client);
  }

  private constructor(kit: KafkaKit, client: ConsumerProtocolClient) {
    this.kit = kit;
    this.client = client;
  }

  get broker(): Broker {
    return this.kit.broker;
  }

  async join(name: string, topics: readonly string[], instance?: string): Promise<GroupMember> {
    const address = `127.0.0.1:${this.kit.listener.address.port}`;
    const options = { address, group: GROUP, name, topics, ...(instance === undefined ? {} : { instance }) };
    const member = await this.client.join(options, (place) => {
      this.received.set(place, (this.received.get(place) ?? 0) + 1);
    });
    this.#members.push(member);
    return member;
  }

  /** One record to each partition of the topic. */
  async produce(topic: string): Promise<void> {
    await using http = await producer(this.broker);
    const found = this.broker.topics.find(topic);
    assert.ok(found !== undefined);
    const records = found.partitions.map(({ index }) => ({ value: 'v', partition: index }));
    await http.produce(topic, records);
    this.#produced += records.length;
  }

  /** Names of clients with what they are assigned, once the group is stable with so many members. */
  async settled(members: number): Promise<Record<string, string>> {
    await this.until(() => {
      const group = this.broker.groups.describeConsumer(GROUP);
      return group?.phase === 'stable' && group.members.length === members;
    });
    const group = this.broker.groups.describeConsumer(GROUP);
    return Object.fromEntries(
      (group?.members ?? []).map(({ clientId, assigned }) => [
        clientId,
        assigned
          .map(({ topic, partitions }) => `${topic}/${partitions.length}`)
          .sort()
          .join(' '),
      ]),
    );
  }

  async allReceived(): Promise<void> {
    await this.until(() => this.received.size === this.#produced);
  }

  async until(condition: () => boolean): Promise<void> {
    for (const end = Date.now() + DEADLINE_MS; !condition(); await sleep(20)) {
      if (Date.now() < end) continue;
      const group = this.broker.groups.describeConsumer(GROUP);
      assert.fail(`not in time: ${JSON.stringify({ group, received: this.received.size, produced: this.#produced })}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#members.map((member) => member.close()));
    await this.kit[Symbol.asyncDispose]();
  }
}

export function consumerProtocol(client: ConsumerProtocolClient): void {
  describe(`${client.name}, the new group protocol`, { timeout: 180_000 }, () => {
    it('members share a topic, come and go, and every record reaches one of them', async () => {
      await using scene = await Scene.start(client);
      await scene.broker.topics.create({ name: 'shop.orders', partitions: 6 });
      const first = await scene.join('one', ['shop.orders']);
      assert.deepEqual(await scene.settled(1), { one: 'shop.orders/6' });
      await scene.produce('shop.orders');
      const second = await scene.join('two', ['shop.orders']);
      await scene.join('three', ['shop.orders']);
      assert.deepEqual(await scene.settled(3), { one: 'shop.orders/2', two: 'shop.orders/2', three: 'shop.orders/2' });
      await scene.produce('shop.orders');
      await scene.allReceived();
      await first.close();
      assert.deepEqual(await scene.settled(2), { two: 'shop.orders/3', three: 'shop.orders/3' });
      await scene.produce('shop.orders');
      await second.close();
      assert.deepEqual(await scene.settled(1), { three: 'shop.orders/6' });
      await scene.produce('shop.orders');
      await scene.allReceived();
    });

    it('partitions added to a topic are shared too', {
      skip: !client.can.growingTopics && 'the client breaks on a partition that is newer than its metadata',
    }, async () => {
      await using scene = await Scene.start(client);
      await scene.broker.topics.create({ name: 'shop.orders', partitions: 6 });
      const topic = scene.broker.topics.find('shop.orders');
      assert.ok(topic !== undefined);
      await scene.join('one', ['shop.orders']);
      const second = await scene.join('two', ['shop.orders']);
      await scene.settled(2);
      await scene.broker.topics.addPartitions(topic, 8);
      await second.close();
      assert.deepEqual(await scene.settled(1), { one: 'shop.orders/8' });
      await scene.produce('shop.orders');
      await scene.allReceived();
    });

    it('who joins later goes on where the group stood', async () => {
      await using scene = await Scene.start(client);
      await scene.broker.topics.create({ name: 'shop.orders', partitions: 3 });
      const first = await scene.join('one', ['shop.orders']);
      await scene.settled(1);
      await scene.produce('shop.orders');
      await scene.allReceived();
      const offsets = () => scene.broker.groups.fetchOffsets({ groupId: GROUP, topics: null });
      for (let committed = 0; committed < 3; await sleep(20)) {
        const { topics } = await offsets();
        committed = topics[0]?.partitions.filter(({ offset }) => offset === 1).length ?? 0;
      }
      await first.close();
      scene.received.clear();
      await scene.join('two', ['shop.orders']);
      await scene.settled(1);
      await scene.produce('shop.orders');
      await scene.until(() => scene.received.size === 3);
      assert.deepEqual(
        [...scene.received.keys()].sort(),
        [0, 1, 2].map((partition) => `shop.orders/${partition}/1`),
      );
    });

    it('a pattern takes topics as they come', { skip: !client.can.patterns && 'the client sends none' }, async () => {
      await using scene = await Scene.start(client);
      await scene.broker.topics.create({ name: 'shop.orders', partitions: 2 });
      await scene.broker.topics.create({ name: 'other', partitions: 2 });
      await scene.join('one', ['^shop[.].*']);
      assert.deepEqual(await scene.settled(1), { one: 'shop.orders/2' });
      await scene.broker.topics.create({ name: 'shop.returns', partitions: 1 });
      await scene.until(() => scene.broker.groups.describeConsumer(GROUP)?.members[0]?.assigned.length === 2);
      await scene.produce('shop.orders');
      await scene.produce('shop.returns');
      await scene.allReceived();
    });

    it('a static member comes back to what it had, and nobody else notices', {
      skip: !client.can.staticMembers && 'the client has none',
    }, async () => {
      await using scene = await Scene.start(client);
      await scene.broker.topics.create({ name: 'shop.orders', partitions: 4 });
      await scene.join('one', ['shop.orders'], 'first');
      const second = await scene.join('two', ['shop.orders'], 'second');
      await scene.settled(2);
      const epoch = scene.broker.groups.describeConsumer(GROUP)?.epoch;
      await second.close();
      await scene.join('again', ['shop.orders'], 'second');
      assert.deepEqual(await scene.settled(2), { one: 'shop.orders/2', again: 'shop.orders/2' });
      assert.equal(scene.broker.groups.describeConsumer(GROUP)?.epoch, epoch);
    });
  });
}

/** Records to partitions by number, without a client of its own. */
async function producer(broker: Broker) {
  const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0 });
  return {
    async produce(topic: string, records: readonly object[]): Promise<void> {
      const response = await fetch(`http://127.0.0.1:${listener.address.port}/v1/topics/${topic}/records`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(records),
      });
      if (!response.ok) throw new MillraceError('CLIENT_REFUSED', await response.text());
    },
    [Symbol.asyncDispose]: () => listener.stop({ deadlineMs: 1_000 }),
  };
}
