/**
 * Runs a conversation with the transaction coordinator that is written down as text: commands flush left, the exact
 * answers after each, indented. The whole text is rebuilt from what happened and compared, so a change of behaviour is a
 * diff. A capital letter is a producer; all of them have the transactional id "tx" unless `id=` says otherwise.
 *
 * ```
 * P init                         the producer id and epoch are remembered for later commands
 *   P has 0/0
 * P add t/0                      partitions 0 to 3 of topics t and u exist
 *   P added t/0: ok
 * P write t/0 a b                one batch; sequences go on by themselves
 *   P wrote t/0 at 0
 * P end commit                   or abort
 *   P ended: ok
 * read t/0                       as a read-committed consumer
 *   t/0: a@0 b@1, stable 3 of 3
 * ```
 *
 * Other commands: `P offsets g`, `P stage g t/0=5`, `P verify t/0`, `P idempotent t/0 a` (without the transactional bit),
 * `P repeat t/0` (the last write again), `fetch g t/0`, `describe [id]`, `list`, `status`, `advance ms`, `delete-topic t`, `manual`, `auto`,
 * `flush`, `refuse CODE`, `accept`, `crash`, `exhaust id` (its epoch jumps to the last one), `# remark`. Options are
 * `key=value`: id, timeout, as=producerId/epoch, generation, member.
 */
import assert from 'node:assert/strict';
import { type ErrorCode, MillraceError } from '../../src/base/errors.ts';
import { BrokerState } from '../../src/broker/broker-state.ts';
import { Decompressor } from '../../src/broker/decompressor/decompressor.ts';
import type { OffsetCommitAnswer } from '../../src/broker/groups/api.ts';
import { GroupCoordinator } from '../../src/broker/groups/group-coordinator.ts';
import { MessageIds } from '../../src/broker/message-ids/message-ids.ts';
import { ProduceItem, ProducePath } from '../../src/broker/produce.ts';
import { DEFAULT_BROKER_SETTINGS } from '../../src/broker/settings.ts';
import { COMMAND } from '../../src/broker/state-part.ts';
import { Topics } from '../../src/broker/topics.ts';
import type { TransactionSettings } from '../../src/broker/transactions/api.ts';
import { LAST_EPOCH } from '../../src/broker/transactions/init-decision.ts';
import { transactionCommands } from '../../src/broker/transactions/transaction-commands.ts';
import { TransactionCoordinator } from '../../src/broker/transactions/transaction-coordinator.ts';
import { type Fold, transactOnce } from '../../src/journal/journal.ts';
import type { Partition } from '../../src/store/partition.ts';
import { batchOf } from './broker-kit.ts';
import { committedRecords } from './committed-reader.ts';
import { ManualClock } from './manual-clock.ts';
import { type MemoryEntry, MemoryJournal } from './memory-journal.ts';

/** Coordinators, topics and the produce path over a memory journal and a manual clock, with crash and restart. */
class TransactionWorld {
  readonly clock = new ManualClock(1_000_000);
  journal!: MemoryJournal;
  state!: BrokerState;
  transactions!: TransactionCoordinator;
  groups!: GroupCoordinator;
  topics!: Topics;
  paths!: ProducePath;
  /** Batches by partition number, with their offsets. */
  readonly batches = new Map<number, Buffer[]>();
  readonly #settings: Partial<TransactionSettings>;
  #ids = 0;
  #producerIds = 0;

  constructor(settings: Partial<TransactionSettings> = {}) {
    this.#settings = settings;
    this.#open([], 'auto');
  }

  /** Topics t and u, four partitions each. */
  async begin(): Promise<void> {
    for (const name of ['t', 'u']) await this.topics.create({ name, partitions: 4 });
  }

  /** A new process on what the journal kept: the durable entries. */
  crash(): void {
    this.transactions.stop();
    this.groups.stop();
    this.#open(this.journal.crash(), this.journal.mode);
  }

  partition(topic: string, index: number): Partition {
    const partition = this.topics.find(topic)?.partitions[index];
    assert.ok(partition !== undefined, `no partition ${topic}/${index}`);
    return partition;
  }

  #open(survivors: readonly MemoryEntry[], mode: 'auto' | 'manual'): void {
    this.batches.clear();
    const state = new BrokerState(DEFAULT_BROKER_SETTINGS);
    const fold: Fold = {
      batches: (run) => {
        const known = this.batches.get(run.partition) ?? [];
        this.batches.set(run.partition, [...known, Buffer.from(run.bytes)]);
        state.batches(run);
      },
      command: (type, body, commit) => state.command(type, body, commit),
      published: (commit) => state.published(commit),
    };
    const { clock } = this;
    const journal = new MemoryJournal(fold, mode, survivors);
    this.state = state;
    this.journal = journal;
    this.topics = new Topics({
      journal,
      state: state.topics,
      store: state.store,
      clock,
      settings: DEFAULT_BROKER_SETTINGS,
      newId: () => `${++this.#ids}`.padStart(32, '0'),
    });
    const find = (topic: string, index: number): Partition | undefined => this.topics.find(topic)?.partitions[index];
    this.groups = new GroupCoordinator({
      journal,
      state: state.groups,
      clock,
      newMemberId: (prefix) => `${prefix}-${++this.#ids}`,
      partitionExists: (topic, index) => find(topic, index) !== undefined,
      hasPendingOffset: (group, topic, index) => state.transactions.hasPendingOffset(group, topic, index),
    });
    this.transactions = new TransactionCoordinator({
      journal,
      state: state.transactions,
      store: state.store,
      clock,
      settings: this.#settings,
      allocateProducerId: () => Promise.resolve({ producerId: this.#producerIds++ }),
      findPartition: find,
      groups: this.groups,
    });
    this.paths = new ProducePath(journal, clock, {
      state: state.transactions,
      joining: this.transactions.joining,
      messageIds: new MessageIds({ state: this.state.messageIds, opener: new Decompressor(), maxBytes: 1024 * 1024 }),
    });
    this.groups.start();
    this.transactions.start();
  }
}

interface Client {
  transactionalId: string;
  producerId: number;
  producerEpoch: number;
  readonly sequences: Map<string, number>;
  last: Uint8Array;
}

class Conversation {
  readonly #world: TransactionWorld;
  readonly #clients = new Map<string, Client>();
  #events: string[] = [];

  constructor(world: TransactionWorld) {
    this.#world = world;
  }

  async run(line: string): Promise<string[]> {
    const words = line.split(/\s+/).filter((word) => word !== '');
    const options = new Map(words.filter((word) => /^[a-z]+=/.test(word)).map((word) => splitAt(word, '=')));
    const plain = words.filter((word) => !/^[a-z]+=/.test(word));
    const [first = '', ...rest] = plain;
    if (/^[A-Z]$/.test(first)) this.#client(first, rest, options);
    else await this.#command(first, rest);
    // Answers that come as promises.
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

  #client(name: string, [verb = '', ...words]: string[], options: ReadonlyMap<string, string>): void {
    const client = this.#obtain(name);
    const { transactions } = this.#world;
    client.transactionalId = options.get('id') ?? client.transactionalId;
    const [id, epoch] = (options.get('as') ?? `${client.producerId}/${client.producerEpoch}`).split('/').map(Number);
    const who = {
      transactionalId: client.transactionalId,
      producerId: id as number,
      producerEpoch: epoch as number,
    };
    switch (verb) {
      case 'init':
        return this.#init(name, client, who, options);
      case 'add':
      case 'verify': {
        const request = { ...who, topics: topicsOf(words), verifyOnly: verb === 'verify' };
        return this.#later(transactions.addPartitions(request), (answer) => `${name} added ${codes(answer)}`);
      }
      case 'offsets':
        return this.#later(transactions.addOffsets({ ...who, groupId: words[0] ?? '' }), (error) => {
          return `${name} offsets: ${error ?? 'ok'}`;
        });
      case 'stage':
      case 'stage2':
        return this.#stage(name, who, words, options, verb === 'stage2');
      case 'write':
      case 'idempotent':
      case 'write2':
        return this.#write(name, client, who, words, {
          transactional: verb !== 'idempotent',
          joins: verb === 'write2',
          given: options.has('sequence') ? Number(options.get('sequence')) : undefined,
        });
      case 'repeat':
        return this.#append(name, words[0] ?? '', client.last);
      case 'end':
        return this.#later(
          transactions.end({ ...who, committed: words[0] === 'commit', bumpsEpoch: false }),
          (answer) => {
            return `${name} ended: ${answer.error ?? 'ok'}`;
          },
        );
      case 'end2':
        return this.#later(
          transactions.end({ ...who, committed: words[0] === 'commit', bumpsEpoch: true }),
          (answer) => {
            if (answer.error !== undefined) return `${name} ended: ${answer.error}`;
            this.#setProducer(client, answer);
            return `${name} ended, has ${answer.producerId}/${answer.producerEpoch}`;
          },
        );
      default:
        return assert.fail(`no such command: ${name} ${verb}`);
    }
  }

  #obtain(name: string): Client {
    let client = this.#clients.get(name);
    if (client === undefined) {
      const sequences = new Map<string, number>();
      client = { transactionalId: 'tx', producerId: -1, producerEpoch: -1, sequences, last: new Uint8Array(0) };
      this.#clients.set(name, client);
    }
    return client;
  }

  #init(
    name: string,
    client: Client,
    who: { transactionalId: string; producerId: number; producerEpoch: number },
    options: ReadonlyMap<string, string>,
  ): void {
    const asNobody = { producerId: -1, producerEpoch: -1 };
    const given = options.has('as') ? {} : asNobody;
    const request = { ...who, ...given, timeoutMs: Number(options.get('timeout') ?? 60_000) };
    this.#later(this.#world.transactions.initProducerId(request), (answer) => {
      if (answer.error !== undefined) return `${name} init: ${answer.error}`;
      this.#setProducer(client, answer);
      return `${name} has ${answer.producerId}/${answer.producerEpoch}`;
    });
  }

  #setProducer(client: Client, { producerId, producerEpoch }: { producerId: number; producerEpoch: number }): void {
    client.producerId = producerId;
    client.producerEpoch = producerEpoch;
    client.sequences.clear();
  }

  #stage(
    name: string,
    who: { transactionalId: string; producerId: number; producerEpoch: number },
    [groupId = '', ...places]: string[],
    options: ReadonlyMap<string, string>,
    joins: boolean,
  ): void {
    const topics = places.map((word) => {
      const [where, offset] = splitAt(word, '=');
      const { topic, index } = place(where);
      return { topic, partitions: [{ partition: index, offset: Number(offset), leaderEpoch: -1, metadata: null }] };
    });
    const member = {
      groupId,
      memberId: options.get('member') ?? '',
      instanceId: null,
      generation: Number(options.get('generation') ?? -1),
    };
    this.#later(this.#world.transactions.commitOffsets({ ...who, ...member, topics, joins }), (answer) => {
      return `${name} staged ${codes(answer.topics)}`;
    });
  }

  #write(
    name: string,
    client: Client,
    who: { producerId: number; producerEpoch: number },
    [where = '', ...values]: string[],
    { transactional, joins, given }: { transactional: boolean; joins: boolean; given: number | undefined },
  ): void {
    const baseSequence = given ?? client.sequences.get(where) ?? 0;
    const { producerId, producerEpoch } = who;
    const batch = batchOf(values, { producerId, producerEpoch, baseSequence, transactional });
    client.last = Uint8Array.from(batch);
    this.#append(name, where, batch, joins, () => client.sequences.set(where, baseSequence + values.length));
  }

  #append(name: string, where: string, batch: Uint8Array, joins = false, done: () => void = () => undefined): void {
    const { topic, index } = place(where);
    const found = this.#world.topics.find(topic);
    const item = new ProduceItem(found, found?.partitions[index], Uint8Array.from(batch));
    void this.#world.paths.produce({
      degree: 'durable',
      items: [item],
      lease: undefined,
      joins,
      settled: (error) => {
        if (error === undefined && item.error === undefined) done();
        const failure = error?.code ?? item.error;
        this.#say(
          failure === undefined ? `${name} wrote ${where} at ${item.baseOffset}` : `${name} wrote ${where}: ${failure}`,
        );
      },
    });
  }

  async #command(command: string, words: string[]): Promise<void> {
    const world = this.#world;
    const [first = ''] = words;
    switch (command) {
      case '#':
        return;
      case 'read':
        return this.#say(this.#read(first));
      case 'fetch':
        return this.#fetch(first, words[1] ?? '');
      case 'force-abort':
        return this.#later(world.transactions.abort(first || 'tx'), (error) => `aborted: ${error ?? 'ok'}`);
      case 'describe':
        return this.#describe(first || 'tx');
      case 'list': {
        const all = world.transactions.list().map(({ transactionalId, phase }) => `${transactionalId} ${phase}`);
        return this.#say(all.join(', ') || 'no ids');
      }
      case 'status': {
        const { ids, open, oldestOpenMs, stateBytes } = world.transactions.status();
        const { committed, aborted, timedOut, fenced, forced } = world.transactions.counters;
        assert.ok(stateBytes >= ids * 100, 'every id counts in the memory');
        this.#say(`${ids} ids, ${open} open, the oldest for ${oldestOpenMs} ms`);
        return this.#say(
          `${committed} committed, ${aborted} aborted, ${timedOut} timed out, ${fenced} fenced, ${forced} forced`,
        );
      }
      case 'advance':
        return world.clock.advance(Number(first));
      case 'delete-topic': {
        const topic = world.topics.find(first);
        return topic === undefined ? undefined : await world.topics.delete(topic);
      }
      case 'manual':
      case 'auto':
        world.journal.mode = command;
        return;
      case 'flush':
        return world.journal.flush();
      case 'refuse':
        world.journal.refusal = new MillraceError(first as ErrorCode, 'refused by the test');
        return;
      case 'accept':
        world.journal.refusal = undefined;
        return;
      case 'crash':
        return world.crash();
      case 'exhaust':
        return await this.#exhaust(first);
      default:
        assert.fail(`no such command: ${command}`);
    }
  }

  #read(where: string): string {
    const { topic, index } = place(where);
    const partition = this.#world.partition(topic, index);
    const { lastStableOffset, highWatermark, transactions, logStartOffset } = partition;
    const stable = (this.#world.batches.get(partition.number) ?? []).filter(
      (batch) => Number(batch.readBigInt64BE(0)) < lastStableOffset,
    );
    const aborted = transactions?.abortedIn(logStartOffset, lastStableOffset) ?? [];
    const records = committedRecords(Buffer.concat(stable), aborted, logStartOffset);
    const shown = records.map(({ offset, value }) => `${value}@${offset}`).join(' ') || 'nothing';
    return `${where}: ${shown}, stable ${lastStableOffset} of ${highWatermark}`;
  }

  #fetch(groupId: string, where: string): void {
    const { topic, index } = place(where);
    const request = { groupId, topics: [{ topic, partitions: [index] }], requireStable: true };
    this.#later(this.#world.groups.fetchOffsets(request), (answer) => {
      const offset = answer.topics[0]?.partitions[0];
      return `${groupId} ${where}: ${answer.error ?? offset?.error ?? offset?.offset}`;
    });
  }

  #describe(transactionalId: string): void {
    const found = this.#world.transactions.describe(transactionalId);
    if (found === undefined) return this.#say(`${transactionalId}: unknown`);
    const { phase, producerId, producerEpoch, topics } = found;
    const touched = topics.flatMap(({ topic, partitions }) => partitions.map((each) => `${topic}/${each}`));
    const list = touched.length === 0 ? '' : `, ${touched.join(' ')}`;
    this.#say(`${transactionalId}: ${phase}, ${producerId}/${producerEpoch}${list}`);
  }

  async #exhaust(transactionalId: string): Promise<void> {
    const record = this.#world.state.transactions.get(transactionalId);
    assert.ok(record !== undefined);
    await transactOnce(this.#world.journal, (commit) =>
      commit.command(
        COMMAND.TRANSACTIONAL_ID_INITIALIZED,
        transactionCommands.initialized({
          transactionalId,
          at: this.#world.clock.now(),
          producerId: record.producerId,
          producerEpoch: LAST_EPOCH,
          previousProducerId: -1,
          previousEpoch: -1,
          timeoutMs: record.timeoutMs,
        }),
      ),
    );
    for (const client of this.#clients.values()) {
      if (client.transactionalId === transactionalId) client.producerEpoch = LAST_EPOCH;
    }
  }
}

function splitAt(word: string, separator: string): [string, string] {
  const at = word.indexOf(separator);
  return [word.slice(0, at), word.slice(at + 1)];
}

function place(where: string): { topic: string; index: number } {
  const [topic, index] = splitAt(where, '/');
  return { topic, index: Number(index) };
}

function topicsOf(words: readonly string[]): { topic: string; partitions: number[] }[] {
  return words.map((word) => {
    const { topic, index } = place(word);
    return { topic, partitions: [index] };
  });
}

function codes(topics: OffsetCommitAnswer['topics']): string {
  return topics
    .flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, error }) => `${topic}/${partition}: ${error ?? 'ok'}`),
    )
    .join(', ');
}

/** Runs the commands of the text, one after the other, and asserts that the answers were those written down. */
export async function transcript(text: string, settings: Partial<TransactionSettings> = {}): Promise<void> {
  const world = new TransactionWorld(settings);
  await world.begin();
  const conversation = new Conversation(world);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const indent = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  const expected = lines.map((line) => line.slice(indent).trimEnd());
  const actual: string[] = [];
  for (const line of expected) {
    if (line.startsWith(' ')) continue;
    actual.push(line, ...(await conversation.run(line)));
  }
  assert.equal(actual.join('\n'), expected.join('\n'));
}
