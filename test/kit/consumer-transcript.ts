/**
 * Conversations with groups of the new protocol (KIP-848), written down as in group-transcript.ts: commands flush left,
 * the exact answers after each, indented.
 *
 * ```
 * topic t=4                      four partitions
 * A enter topics=t               first heartbeat (epoch 0); member id A-1, or id=...
 *   A: epoch 1, t/0-3            epoch, and the assignment where one is told ("none" for an empty one)
 * A beat                         a heartbeat that says nothing new
 *   A: epoch 1
 * A owns t/0-1                   one that says what the member owns
 * A obeys                        the same, with what it was last told
 * describe
 *   g stable, epoch 1, target 1, uniform
 *     A-1 epoch 1 stable t/0-3
 * ```
 *
 * Options of a member's commands: topics, regex, assignor, instance, rack, timeout, id, epoch, owned, version. `soon` in an
 * answer: come back before the usual interval; `every N ms`: there are so many members that it is not the shortest. Other commands: `A leave`, `A pause` (epoch -2), `A full` (everything again),
 * `A subscribe`, `A commit t/0=5`, `A fetch t/0`, `A classic` (a JoinGroup), `remove INSTANCE`, `delete`, `offsets`,
 * `delete-offsets t/0`, `list`, `topic NAME=COUNT` (0 deletes), `advance`, `manual`, `auto`, `flush`, `refuse`, `accept`,
 * `fail`, `crash`, `restart`, `stop`, `# remark`.
 */
import assert from 'node:assert/strict';
import { type ErrorCode, MillraceError } from '../../src/base/errors.ts';
import { GROUP_DEFAULTS, type GroupSettings } from '../../src/broker/groups/api.ts';
import type { ConsumerHeartbeatAnswer, ConsumerHeartbeatRequest } from '../../src/broker/groups/consumer/api.ts';
import { type PartitionSet, partitionSet } from '../../src/broker/groups/consumer/partition-set.ts';
import { GroupWorld, outdent, subscription, topicIdOf, topicNameOf } from './group-transcript.ts';

interface Member {
  memberId: string;
  instanceId: string | null;
  epoch: number;
  owned: PartitionSet;
  topics: string[] | null;
  regex: string | null;
}

const NOTHING: PartitionSet = new Map();
const { consumerShortIntervalMs, consumerWaitingIntervalMs } = GROUP_DEFAULTS;

class Conversation {
  readonly #world: GroupWorld;
  readonly #members = new Map<string, Member>();
  #events: string[] = [];
  #ids = 0;

  constructor(world: GroupWorld) {
    this.#world = world;
  }

  async run(line: string): Promise<string[]> {
    const [first = '', second = '', ...rest] = line.split(/\s+/).filter((word) => word !== '');
    if (/^[A-Z]$/.test(first)) this.#member(first, second, rest);
    else
      await this.#command(
        first,
        [second, ...rest].filter((word) => word !== ''),
      );
    // Answers that come as promises, through the journal and back.
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
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

  #member(name: string, verb: string, rest: readonly string[]): void {
    const options = new Map(rest.filter((word) => word.includes('=')).map(splitAtEquals));
    const member = this.#obtain(name, verb, options);
    switch (verb) {
      case 'enter':
        member.epoch = 0;
        member.owned = NOTHING;
        member.topics =
          options
            .get('topics')
            ?.split(',')
            .filter((topic) => topic !== '') ?? (options.has('regex') ? null : ['t']);
        member.regex = options.get('regex') ?? null;
        return this.#beat(name, member, { ...full(member, options), owned: NOTHING });
      case 'beat':
        return this.#beat(name, member, { ...quiet(), ...said(options) });
      case 'owns':
        member.owned = parseSet(rest.filter((word) => !word.includes('=')));
        return this.#beat(name, member, { ...quiet(), ...said(options), owned: member.owned });
      case 'obeys':
        return this.#beat(name, member, { ...quiet(), ...said(options), owned: member.owned });
      case 'full':
        return this.#beat(name, member, { ...full(member, options), owned: member.owned });
      case 'subscribe':
        return this.#beat(name, member, { ...quiet(), ...said(options) });
      case 'leave':
        return this.#beat(name, { ...member, epoch: -1 }, quiet());
      case 'pause':
        return this.#beat(name, { ...member, epoch: -2 }, quiet());
      case 'commit':
        return this.#commit(name, member, options);
      case 'fetch':
        return this.#fetch(name, member, rest, options);
      case 'classic':
        return this.#joinClassic(name);
      default:
        return assert.fail(`no such command: ${name} ${verb}`);
    }
  }

  #obtain(name: string, verb: string, options: ReadonlyMap<string, string>): Member {
    let member = this.#members.get(name);
    if (member === undefined || (verb === 'enter' && options.get('id') === 'new')) {
      const memberId = `${name}-${++this.#ids}`;
      member = { memberId, instanceId: null, epoch: 0, owned: NOTHING, topics: null, regex: null };
      this.#members.set(name, member);
    }
    const id = options.get('id');
    if (id !== undefined && id !== 'new') member.memberId = id === 'none' ? '' : id;
    const instance = options.get('instance');
    if (instance !== undefined) member.instanceId = instance;
    const epoch = options.get('epoch');
    return epoch === undefined ? member : { ...member, epoch: Number(epoch) };
  }

  #beat(name: string, member: Member, parts: Said): void {
    const { memberId, instanceId, epoch } = member;
    const request: ConsumerHeartbeatRequest = {
      groupId: 'g',
      memberId,
      epoch,
      instanceId,
      clientId: name,
      clientHost: '127.0.0.1',
      requireMemberId: !parts.isVersion0,
      ...parts,
    };
    const answer = this.#world.coordinator.consumerHeartbeat(request);
    void Promise.resolve(answer).then((told) => this.#answered(name, member, told));
  }

  #answered(name: string, asked: Member, answer: ConsumerHeartbeatAnswer): void {
    if (answer.error !== undefined) return this.#say(`${name}: ${answer.error}`);
    const member = this.#members.get(name);
    if (member !== undefined && asked.epoch >= 0) {
      member.epoch = answer.epoch;
      member.memberId = answer.memberId;
      if (answer.assigned !== undefined) member.owned = answer.assigned;
    }
    const assigned = answer.assigned === undefined ? '' : `, ${showSet(answer.assigned) || 'none'}`;
    this.#say(`${name}: epoch ${answer.epoch}${assigned}${whenToComeBack(answer.intervalMs)}`);
  }

  #commit(name: string, member: Member, options: ReadonlyMap<string, string>): void {
    const topics = [...options]
      .filter(([key]) => key.includes('/'))
      .map(([key, value]) => {
        const { topic, partition } = place(key);
        return { topic, partitions: [{ partition, offset: Number(value), leaderEpoch: 0, metadata: null }] };
      });
    const { memberId, instanceId, epoch: generation } = member;
    const knowsMemberEpochs = options.get('version') !== '8';
    const request = { groupId: 'g', memberId, instanceId, generation, knowsMemberEpochs, retentionMs: -1, topics };
    this.#later(this.#world.coordinator.commitOffsets(request), (answer) => {
      const results = answer.topics.flatMap(({ partitions }) => partitions.map(({ error }) => error ?? 'ok'));
      return `${name} committed: ${results.join(' ')}`;
    });
  }

  #fetch(
    name: string,
    { memberId, epoch }: Member,
    rest: readonly string[],
    options: ReadonlyMap<string, string>,
  ): void {
    const topics = rest
      .filter((word) => word.includes('/'))
      .map(place)
      .map(({ topic, partition }) => ({ topic, partitions: [partition] }));
    const who = options.get('as') === 'nobody' ? { memberId: null, memberEpoch: -1 } : { memberId, memberEpoch: epoch };
    this.#later(this.#world.coordinator.fetchOffsets({ groupId: 'g', ...who, topics }), (answer) => {
      const offsets = answer.topics.flatMap(({ partitions }) => partitions.map(({ offset }) => offset));
      return `${name} fetched: ${answer.error ?? offsets.join(' ')}`;
    });
  }

  #joinClassic(name: string): void {
    this.#world.coordinator.join(
      {
        groupId: 'g',
        memberId: '',
        instanceId: null,
        clientId: name,
        clientHost: '127.0.0.1',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: subscription(['t']) }],
        requireKnownMemberId: false,
        supportsSkipAssignment: true,
      },
      (answer) => this.#say(`${name} joined: ${answer.error ?? `generation ${answer.generation}`}`),
    );
  }

  async #command(verb: string, rest: readonly string[]): Promise<void> {
    const world = this.#world;
    const [argument = ''] = rest;
    switch (verb) {
      case '#':
        return;
      case 'topic': {
        const [name, count] = splitAtEquals(argument);
        if (count === '0') world.state.topicDeleted(name);
        return world.topics.set(name, Number(count));
      }
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
        return this.#describe();
      case 'list':
        for (const { groupId, type, phase } of world.coordinator.list()) this.#say(`${groupId} ${type} ${phase}`);
        return;
      case 'remove': {
        const members = [{ memberId: '', instanceId: argument }];
        void world.coordinator
          .leave({ groupId: 'g', members })
          .then((answer) => this.#say(`removed: ${answer.error ?? answer.members[0]?.error ?? 'ok'}`));
        return;
      }
      case 'delete':
        void world.coordinator.delete('g').then((error) => this.#say(`deleted: ${error ?? 'ok'}`));
        return;
      case 'delete-offsets': {
        const { topic, partition } = place(argument);
        const topics = [{ topic, partitions: [partition] }];
        return this.#later(world.coordinator.deleteOffsets({ groupId: 'g', topics }), (answer) => {
          return `offsets deleted: ${answer.error ?? answer.topics[0]?.partitions[0]?.error ?? 'ok'}`;
        });
      }
      default:
        assert.fail(`no such command: ${verb}`);
    }
  }

  #describe(): void {
    const group = this.#world.coordinator.describeConsumer('g');
    const state = this.#world.state.get('g')?.consumer;
    if (group === undefined || state === undefined) return this.#say('g is no group of this type');
    this.#say(
      `g ${group.phase}, epoch ${group.epoch}, target ${group.targetEpoch}, ${group.assignor || 'no assignor'}`,
    );
    for (const { memberId, epoch } of group.members) {
      const member = state.member(memberId);
      assert.ok(member !== undefined);
      const sets = [showSet(member.assigned) || 'none'];
      if (member.revoking.size > 0) sets.push(`revoking ${showSet(member.revoking)}`);
      if (showSet(state.target(memberId)) !== showSet(member.assigned)) {
        sets.push(`target ${showSet(state.target(memberId)) || 'none'}`);
      }
      this.#say(`  ${memberId} epoch ${epoch} ${member.state} ${sets.join(', ')}`);
    }
  }
}

type Said = Pick<
  ConsumerHeartbeatRequest,
  'rackId' | 'rebalanceTimeoutMs' | 'topics' | 'regex' | 'assignor' | 'owned'
> & { readonly isVersion0?: boolean };

function quiet(): Said {
  return { rackId: null, rebalanceTimeoutMs: -1, topics: null, regex: null, assignor: null, owned: null };
}

/** Only what the options name. */
function said(options: ReadonlyMap<string, string>): Partial<Said> {
  const assignor = options.get('assignor');
  const topics = options.get('topics')?.split(',');
  const regex = options.get('regex');
  return {
    ...(assignor === undefined ? {} : { assignor }),
    ...(topics === undefined ? {} : { topics }),
    ...(regex === undefined ? {} : { regex: regex === 'none' ? '' : regex }),
  };
}

function full(member: Member, options: ReadonlyMap<string, string>): Omit<Said, 'owned'> {
  return {
    rackId: options.get('rack') ?? null,
    rebalanceTimeoutMs: Number(options.get('timeout') ?? 60_000),
    topics: member.topics,
    regex: member.regex,
    assignor: options.get('assignor') ?? null,
    isVersion0: options.get('version') === '0',
  };
}

function splitAtEquals(word: string): [string, string] {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}

function place(text: string): { topic: string; partition: number } {
  const [topic = '', partition = ''] = text.split('/');
  return { topic, partition: Number(partition) };
}

/** `t/0-3,5 u/1`, each topic a word. */
function parseSet(words: readonly string[]): PartitionSet {
  return partitionSet(
    words.map((word) => {
      const [topic = '', list = ''] = word.split('/');
      const partitions = list.split(',').flatMap((range) => {
        const [first = 0, last = first] = range.split('-').map(Number);
        return Array.from({ length: last - first + 1 }, (_, i) => first + i);
      });
      return { topicId: topicIdOf(topic), partitions };
    }),
  );
}

function showSet(set: PartitionSet): string {
  return Array.from(set, ([topicId, partitions]) => `${topicNameOf(topicId)}/${showRanges(partitions)}`)
    .sort()
    .join(' ');
}

function showRanges(partitions: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const partition of partitions) {
    const last = ranges.at(-1);
    if (last !== undefined && partition === last[1] + 1) last[1] = partition;
    else ranges.push([partition, partition]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Runs the commands and asserts that the answers were those written down. */
export async function consumerTranscript(text: string, settings: Partial<GroupSettings> = {}): Promise<void> {
  assert.equal((await recordConsumer(text, settings)).join('\n'), outdent(text).join('\n'));
}

/** The commands of the text with what they are answered; answers that stand there already are passed over. */
async function recordConsumer(text: string, settings: Partial<GroupSettings> = {}): Promise<string[]> {
  const conversation = new Conversation(new GroupWorld(settings));
  const lines: string[] = [];
  for (const line of outdent(text)) {
    if (!line.startsWith(' ')) lines.push(line, ...(await conversation.run(line)));
  }
  return lines;
}

/** 0: never, it has left. */
function whenToComeBack(intervalMs: number): string {
  if (intervalMs === consumerWaitingIntervalMs) return ', soon';
  return intervalMs === consumerShortIntervalMs || intervalMs === 0 ? '' : `, every ${intervalMs} ms`;
}
