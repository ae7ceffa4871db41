/**
 * Members of a group that come, go and are killed with kill -9, each in a process of its own: every record reaches a living
 * member, each partition has one reader, static members come back to what they had, and cooperative ones keep what stays theirs.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientDriver, ConsumerOptions } from './driver.ts';
import { MemberProcess } from './member-process.ts';
import { text } from './scenario-data.ts';
import { type Scenarios, scenariosOf } from './scenarios.ts';
import { groupMembers, groupSettled, rebalances } from './wire-view.ts';

const PARTITIONS = 6;
/** The shortest that the broker takes: how long a killed member is missed. A static one must be back before its own is over. */
const SESSION_TIMEOUT_MS = 6000;
const POLL_MS = 50;

export function memberScenarios(driver: ClientDriver): void {
  const kit = scenariosOf(driver);
  const { scenario } = kit;

  scenario('three members, one is killed, another joins, one leaves', async () => {
    await using crew = await Crew.of(kit, 'killed');
    const [first, second] = await crew.hire(3);
    await crew.round('three');
    await second?.kill9();
    await crew.settled(2);
    await crew.round('two of three');
    await crew.hire(1);
    await crew.round('three again');
    await first?.stop();
    await crew.settled(2);
    await crew.round('two again');
  });

  if (driver.can.staticMembers)
    scenario('a static member that is killed comes back to its partitions without a rebalance', async () => {
      await using crew = await Crew.of(kit, 'static');
      const sessionTimeoutMs = 4 * SESSION_TIMEOUT_MS;
      await crew.hire(1, { instance: 'a', sessionTimeoutMs });
      await crew.hire(1, { instance: 'b', sessionTimeoutMs });
      await crew.round('both');
      const before = await groupMembers(kit.broker.kafka, 'static');
      const generations = await rebalances(kit.broker.http);
      await crew.members[0]?.kill9();
      crew.replace(0, { instance: 'a', sessionTimeoutMs });
      const back = async () => (await groupMembers(kit.broker.kafka, 'static')).get('a')?.memberId;
      while ((await back()) === before.get('a')?.memberId) await sleep(POLL_MS);
      await crew.round('back');
      const after = await groupMembers(kit.broker.kafka, 'static');
      assert.deepEqual(after.get('a')?.assignment, before.get('a')?.assignment);
      assert.deepEqual(after.get('b'), before.get('b'));
      assert.notEqual(after.get('a')?.memberId, before.get('a')?.memberId);
      assert.equal(await rebalances(kit.broker.http), generations);
    });

  if (driver.can.cooperative)
    scenario('cooperative members keep the partitions that stay theirs', async () => {
      await using crew = await Crew.of(kit, 'cooperative');
      const options = { cooperative: true };
      await crew.hire(2, options);
      await crew.round('two');
      const before = crew.partitions();
      await crew.hire(1, options);
      await crew.round('three');
      for (const [i, partitions] of before.entries()) {
        const kept = crew.members[i]?.records.filter(({ value }) => value.startsWith('three strict')) ?? [];
        assert.equal(kept.length, PARTITIONS / 3);
        for (const { partition } of kept) assert.ok(partitions.has(partition), `member ${i} was given ${partition}`);
      }
      await crew.members[1]?.kill9();
      await crew.settled(2);
      await crew.round('two of three');
    });
}

/** The members of one group over one topic. */
class Crew implements AsyncDisposable {
  readonly #kit: Scenarios;
  readonly #name: string;
  readonly members: MemberProcess[] = [];
  /** Of those that were not killed or stopped. */
  #alive = 0;

  private constructor(kit: Scenarios, name: string) {
    this.#kit = kit;
    this.#name = name;
  }

  static async of(kit: Scenarios, name: string): Promise<Crew> {
    await kit.createTopic(name, PARTITIONS);
    return new Crew(kit, name);
  }

  /** Starts members and waits until they have their partitions. */
  async hire(count: number, options: Partial<ConsumerOptions> = {}): Promise<MemberProcess[]> {
    const hired = Array.from({ length: count }, () => this.#start(options));
    this.members.push(...hired);
    await this.settled(this.#alive + count);
    return hired;
  }

  /** Starts another in the place of one that was killed. */
  replace(index: number, options: Partial<ConsumerOptions>): void {
    this.members[index] = this.#start(options);
  }

  async settled(count: number): Promise<void> {
    await groupSettled(this.#kit.broker.kafka, this.#name, count);
    this.#alive = count;
  }

  /** Partitions that each member has read from. */
  partitions(): Set<number>[] {
    return this.members.map(({ records }) => new Set(records.map(({ partition }) => partition)));
  }

  /**
   * One record to each partition, twice; all must reach some member. The first time a member may still get the answer to a
   * fetch that it sent before the rebalance; the second time each record comes once and all living members get their share.
   */
  async round(name: string): Promise<void> {
    await this.#sendRound(`${name} loose`);
    const values = await this.#sendRound(`${name} strict`);
    const shares = this.members.map((member) => member.values.filter((value) => values.includes(value)));
    assert.deepEqual(shares.flat().sort(), values);
    const lengths = shares.map((share) => share.length).filter((length) => length > 0);
    assert.deepEqual(
      lengths,
      Array.from({ length: this.#alive }, () => PARTITIONS / this.#alive),
    );
  }

  async #sendRound(name: string): Promise<string[]> {
    const values = Array.from({ length: PARTITIONS }, (_, i) => `${name} ${i}`);
    await this.#kit.send(
      this.#name,
      values.map((value, i) => text(value, i)),
    );
    while (!values.every((value) => this.members.some((member) => member.values.includes(value)))) {
      await sleep(POLL_MS);
    }
    return values;
  }

  #start(options: Partial<ConsumerOptions>): MemberProcess {
    const { driver, broker } = this.#kit;
    const order = { group: this.#name, sessionTimeoutMs: SESSION_TIMEOUT_MS, ...options };
    return new MemberProcess({ key: driver.key, broker: broker.kafka, topic: this.#name, options: order });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
  }
}
