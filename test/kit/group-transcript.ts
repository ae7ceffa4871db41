/**
 * Runs a conversation with the group coordinator that is written down as text: commands flush left, the exact answers
 * after each, indented. The whole text is rebuilt from what happened and compared, so a change of behaviour is a diff.
 *
 * ```
 * A join                         client A joins; its member id and generation are remembered for later commands
 *   A joined: BROKER_MEMBER_ID_REQUIRED as A-1
 * A join
 * advance 50                     milliseconds
 *   A joined: generation 1 as A-1, range, leader A-1, members A-1=t
 * A sync A=p0                    assignments by client name or member id
 *   A synced: p0
 * ```
 *
 * Other commands: `X heartbeat`, `X leave`, `X commit t/0=5`, `X forget` (a new process: no member id), `fetch t/0`,
 * `fetch *`, `describe`, `list`, `delete`, `delete-offsets t/0`, `delete-topic t`, `manual` and `auto` (when the journal
 * makes things durable), `flush`, `refuse CODE`, `accept`, `fail CODE`, `crash`, `restart`, `stop`, `# remark`.
 * Options are `key=value`: id, generation, instance, protocols, topics, session, rebalance, type, version, metadata.
 */
import assert from 'node:assert/strict';
import { type ErrorCode, MillraceError } from '../../src/base/errors.ts';
import { StateReader, StateWriter } from '../../src/base/state-bytes.ts';
import type { GroupSettings, JoinAnswer, JoinRequest } from '../../src/broker/groups/api.ts';
import { GroupCoordinator } from '../../src/broker/groups/group-coordinator.ts';
import { GroupState } from '../../src/broker/groups/group-state.ts';
import { subscribedTopics } from '../../src/broker/groups/subscription.ts';
import type { Fold } from '../../src/journal/journal.ts';
import { ManualClock } from './manual-clock.ts';
import { type MemoryEntry, MemoryJournal } from './memory-journal.ts';

const NONE: Uint8Array = new Uint8Array(0);

/** A stable group of A (leader) and B in generation 1, which most transcripts begin with. */
export const TWO_MEMBERS = `
  A join version=3
  B join version=3
  advance 100
    A joined: generation 1 as A-1, range, leader A-1, members A-1=t B-2=t
    B joined: generation 1 as B-2, range, leader A-1
  B sync
  A sync A=p0 B=p1
    A synced: p0
    B synced: p1
`;

/** A coordinator over a memory journal and a manual clock, with crash and restart. */
export class GroupWorld {
  readonly clock = new ManualClock(1_000_000);
  journal: MemoryJournal;
  state: GroupState;
  coordinator: GroupCoordinator;
  partitions = 4;
  readonly topics = new WorldTopics();
  readonly #settings: Partial<GroupSettings>;
  #members = 0;
  /** What the journal of now stands on. */
  #checkpoint: Uint8Array | undefined;

  constructor(settings: Partial<GroupSettings> = {}) {
    this.#settings = settings;
    this.state = new GroupState();
    this.journal = new MemoryJournal(foldOf(this.state));
    this.coordinator = this.#start();
  }

  /** A new process on what the journal kept. @param unsynced entries beyond the durable ones that survived. */
  crash(unsynced = 0): void {
    this.#reopen(this.journal.crash(unsynced));
  }

  /** A clean stop and start, through a checkpoint instead of a replay. */
  async restart(): Promise<void> {
    this.coordinator.stop();
    await this.journal.close();
    const writer = new StateWriter();
    this.state.snapshot(writer);
    this.#checkpoint = writer.finish();
    this.state = this.#restored();
    this.journal = new MemoryJournal(foldOf(this.state), this.journal.mode);
    this.coordinator = this.#start();
  }

  #reopen(survivors: readonly MemoryEntry[]): void {
    this.coordinator.stop();
    this.state = this.#restored();
    this.journal = new MemoryJournal(foldOf(this.state), this.journal.mode, survivors);
    this.coordinator = this.#start();
  }

  #restored(): GroupState {
    const state = new GroupState();
    if (this.#checkpoint !== undefined) state.restore(new StateReader(this.#checkpoint, 'groups'));
    return state;
  }

  #start(): GroupCoordinator {
    const coordinator = new GroupCoordinator({
      journal: this.journal,
      state: this.state,
      clock: this.clock,
      settings: this.#settings,
      newMemberId: (prefix) => `${prefix}-${++this.#members}`,
      partitionExists: (topic, partition) => topic !== 'missing' && partition >= 0 && partition < this.partitions,
      topics: this.topics,
    });
    coordinator.start();
    return coordinator;
  }
}

/** Topics that the coordinator assigns; a name's id is its bytes in hex. */
class WorldTopics {
  version = 0;
  readonly #counts = new Map<string, number>();

  names(): Iterable<string> {
    return this.#counts.keys();
  }

  /** @param partitionCount 0: deletes it. */
  set(name: string, partitionCount: number): void {
    this.version += 1;
    if (partitionCount === 0) this.#counts.delete(name);
    else this.#counts.set(name, partitionCount);
  }

  find(name: string): { id: string; partitionCount: number } | undefined {
    const partitionCount = this.#counts.get(name);
    return partitionCount === undefined ? undefined : { id: topicIdOf(name), partitionCount };
  }

  nameOf(topicId: string): string | undefined {
    const name = topicNameOf(topicId);
    return this.#counts.has(name) ? name : undefined;
  }
}

export function topicIdOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(32, '0');
}

/** Also of topics that are gone. */
export function topicNameOf(topicId: string): string {
  return Buffer.from(topicId, 'hex').toString().replaceAll('\0', '');
}

function foldOf(state: GroupState): Fold {
  return {
    batches: () => assert.fail('groups stage no batches'),
    command: (type, body) => state.apply(type, body),
    published: () => undefined,
  };
}

/** Bytes of a consumer's subscription, version 0. */
export function subscription(topics: readonly string[]): Uint8Array {
  const parts = topics.map((topic) => {
    const name = Buffer.from(topic);
    const length = Buffer.alloc(2);
    length.writeInt16BE(name.length);
    return Buffer.concat([length, name]);
  });
  const head = Buffer.alloc(6);
  head.writeInt32BE(topics.length, 2);
  return Buffer.concat([head, ...parts]);
}

interface Client {
  memberId: string;
  generation: number;
  protocol: string | null;
}

class Conversation {
  readonly #world: GroupWorld;
  readonly #clients = new Map<string, Client>();
  #events: string[] = [];

  constructor(world: GroupWorld) {
    this.#world = world;
  }

  async run(line: string): Promise<string[]> {
    const words = line.split(/\s+/).filter((word) => word !== '');
    const [first = '', second = ''] = words;
    if (/^[A-Z]$/.test(first)) this.#client(first, second, parse(words.slice(2)));
    else await this.#command(first, words.slice(1));
    // Answers that come as promises.
    await new Promise((resolve) => setImmediate(resolve));
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #say(event: string): void {
    this.#events.push(`  ${event}`);
  }

  #later<T>(answer: Promise<T>, tell: (value: T) => string): void {
    void answer.then((value) => this.#say(tell(value)));
  }

  #client(name: string, verb: string, words: Words): void {
    const client = this.#obtain(name);
    const { coordinator } = this.#world;
    const who = {
      groupId: words.options.get('group') ?? 'g',
      memberId: words.options.get('id') ?? client.memberId,
      instanceId: words.options.get('instance') ?? null,
      generation: Number(words.options.get('generation') ?? client.generation),
    };
    switch (verb) {
      case 'join':
        return coordinator.join(joinRequest(name, who, words.options), (answer) => this.#joined(name, client, answer));
      case 'sync': {
        const assignments = [...words.options]
          .filter(([key]) => /^[A-Z]/.test(key))
          .map(([key, value]) => ({
            memberId: this.#clients.get(key)?.memberId ?? key,
            assignment: Buffer.from(value),
          }));
        const protocol = words.options.get('protocol') ?? client.protocol;
        return coordinator.sync(
          { ...who, protocolType: words.options.get('type') ?? null, protocol, assignments },
          (answer) =>
            this.#say(`${name} synced: ${answer.error ?? (Buffer.from(answer.assignment).toString() || 'nothing')}`),
        );
      }
      case 'heartbeat':
        return this.#say(`${name} heartbeat: ${coordinator.heartbeat(who) ?? 'ok'}`);
      case 'leave':
        return this.#later(coordinator.leave({ groupId: who.groupId, members: [who] }), (answer) => {
          return `${name} left: ${answer.error ?? answer.members[0]?.error ?? 'ok'}`;
        });
      case 'commit':
        return this.#commit(name, who, words);
      case 'forget':
        client.memberId = '';
        client.generation = -1;
        return undefined;
      default:
        return assert.fail(`no such command: ${name} ${verb}`);
    }
  }

  #obtain(name: string): Client {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = { memberId: '', generation: -1, protocol: null };
      this.#clients.set(name, client);
    }
    return client;
  }

  #joined(name: string, client: Client, answer: JoinAnswer): void {
    client.memberId = answer.memberId;
    if (answer.error !== undefined)
      return this.#say(`${name} joined: ${answer.error} as ${answer.memberId || 'nobody'}`);
    client.generation = answer.generation;
    client.protocol = answer.protocol;
    const members = answer.members.map(
      ({ memberId, metadata }) => `${memberId}=${subscribedTopics(metadata)?.join(',') ?? 'opaque'}`,
    );
    const list = members.length === 0 ? '' : `, members ${members.join(' ')}`;
    const skip = answer.skipAssignment ? ', skip' : '';
    const what = `generation ${answer.generation} as ${answer.memberId}, ${answer.protocol}, leader ${answer.leaderId}`;
    this.#say(`${name} joined: ${what}${list}${skip}`);
  }

  #commit(
    name: string,
    who: { groupId: string; memberId: string; instanceId: string | null; generation: number },
    words: Words,
  ): void {
    const topics = [...words.options]
      .filter(([key]) => key.includes('/'))
      .map(([key, value]) => {
        const { topic, partition } = place(key);
        const metadata = words.options.get('metadata') ?? null;
        return { topic, partitions: [{ partition, offset: Number(value), leaderEpoch: 0, metadata }] };
      });
    const retentionMs = Number(words.options.get('retention') ?? -1);
    this.#later(this.#world.coordinator.commitOffsets({ ...who, retentionMs, topics }), (answer) => {
      return `${name} committed: ${answer.topics.flatMap(results).join(' ')}`;
    });
  }

  async #command(verb: string, rest: readonly string[]): Promise<void> {
    const world = this.#world;
    const [argument = ''] = rest;
    switch (verb) {
      case '#':
        return;
      case 'advance':
        return world.clock.advance(Number(argument));
      case 'manual':
      case 'auto':
        world.journal.mode = verb;
        return;
      case 'flush':
        return world.journal.flush();
      case 'refuse':
        world.journal.refusal = new MillraceError(argument as ErrorCode, 'refused by the test');
        return;
      case 'accept':
        world.journal.refusal = undefined;
        return;
      case 'fail':
        return world.journal.fail(new MillraceError(argument as ErrorCode, 'failed by the test'));
      case 'crash':
        return world.crash();
      case 'restart':
        return world.restart();
      case 'stop':
        return world.coordinator.stop();
      case 'describe':
        return this.#describe(argument || 'g');
      case 'list':
        for (const { groupId, phase, protocolType } of world.coordinator.list()) {
          this.#say(`${groupId} ${phase} ${protocolType || '-'}`);
        }
        return;
      case 'delete': {
        const group = argument || 'g';
        return this.#later(world.coordinator.delete(group), (error) => `${group} deleted: ${error ?? 'ok'}`);
      }
      case 'delete-topic':
        return world.state.topicDeleted(argument);
      case 'delete-offsets': {
        const topics = rest.map(place).map(({ topic, partition }) => ({ topic, partitions: [partition] }));
        return this.#later(world.coordinator.deleteOffsets({ groupId: 'g', topics }), (answer) => {
          return `offsets deleted: ${answer.error ?? answer.topics.flatMap(results).join(' ')}`;
        });
      }
      case 'fetch':
        return this.#fetch(rest);
      default:
        assert.fail(`no such command: ${verb}`);
    }
  }

  #fetch(rest: readonly string[]): void {
    const asked = rest.map(place).map(({ topic, partition }) => ({ topic, partitions: [partition] }));
    const topics = rest[0] === '*' ? null : asked;
    this.#later(this.#world.coordinator.fetchOffsets({ groupId: 'g', topics }), (answer) => {
      const offsets = answer.topics.flatMap(({ topic, partitions }) =>
        partitions.map(
          ({ partition, offset, metadata }) => `${topic}/${partition}=${offset}${metadata && `(${metadata})`}`,
        ),
      );
      return `fetched: ${answer.error ?? (offsets.join(' ') || 'nothing')}`;
    });
  }

  #describe(groupId: string): void {
    const group = this.#world.coordinator.describe(groupId);
    if (group === undefined) return this.#say(`${groupId}: no such group`);
    const members = group.members.map(
      ({ memberId, assignment }) => `${memberId}=${Buffer.from(assignment).toString()}`,
    );
    this.#say(`${groupId}: ${group.phase}, generation ${group.generation}, members ${members.join(' ') || 'none'}`);
  }
}

interface Words {
  readonly options: Map<string, string>;
}

function parse(words: readonly string[]): Words {
  return { options: new Map(words.map((word) => word.split('=', 2) as [string, string])) };
}

function place(word: string): { topic: string; partition: number } {
  const [topic = '', partition = ''] = word.split('/');
  return { topic, partition: Number(partition) };
}

function results({
  topic,
  partitions,
}: {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly error: ErrorCode | undefined }[];
}): string[] {
  return partitions.map(({ partition, error }) => `${topic}/${partition}:${error ?? 'ok'}`);
}

function joinRequest(
  name: string,
  { groupId, memberId, instanceId }: { groupId: string; memberId: string; instanceId: string | null },
  options: ReadonlyMap<string, string>,
): JoinRequest {
  const version = Number(options.get('version') ?? 9);
  const metadata = subscription((options.get('topics') ?? 't').split(','));
  return {
    groupId,
    memberId,
    instanceId,
    clientId: name,
    clientHost: '127.0.0.1',
    sessionTimeoutMs: Number(options.get('session') ?? 10_000),
    rebalanceTimeoutMs: Number(options.get('rebalance') ?? 60_000),
    protocolType: options.get('type') ?? 'consumer',
    protocols: (options.get('protocols') ?? 'range').split(',').map((protocol) => ({
      name: protocol,
      metadata: protocol === 'opaque' ? NONE : metadata,
    })),
    requireKnownMemberId: version >= 4,
    supportsSkipAssignment: version >= 9,
  };
}

/** Runs the commands of the texts, one after the other, and asserts that the answers were those written down. */
export async function transcript(
  texts: string | readonly string[],
  settings: Partial<GroupSettings> = {},
): Promise<void> {
  const conversation = new Conversation(new GroupWorld(settings));
  const expected = [texts].flat().flatMap(outdent);
  const actual: string[] = [];
  for (const line of expected) {
    if (line.startsWith(' ')) continue;
    actual.push(line, ...(await conversation.run(line)));
  }
  assert.equal(actual.join('\n'), expected.join('\n'));
}

export function outdent(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const indent = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  return lines.map((line) => line.slice(indent).trimEnd());
}
